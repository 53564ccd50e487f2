"""`tersely tune`: say what may be lost, get the shortest model that keeps it.

The pure parts (numpy at most): ``target`` (what is asked for), ``measured`` (what a checkpoint scored), ``path`` (which
alpha the next step takes), ``ladder`` (which checkpoints are worth testing), ``gate`` (which of them passes). The rest
drives them: ``split`` (problems), ``steering`` (inside the training loop), ``members`` (models to choose among),
``choice`` and ``certificate`` (what came of it), ``run`` (all of it in order).
"""
