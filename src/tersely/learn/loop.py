"""The training loop: problems -> groups -> credit -> update -> record, once a step.

All randomness is a function of (seed, step), so a run killed anywhere goes on from its last checkpoint and ends, on a
CPU with the same threads and versions, with the same bits.

Started by torchrun, every process samples and judges its share of a step's problems, all learn of all groups, and each
computes the gradient of its own. Rank 0 alone has the run folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import torch

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.journal import StepRecord
from tersely.learn.memory import explain_training_memory
from tersely.learn.parallel import World
from tersely.learn.run_setup import TrainSummary, look_before_training, open_run, read_resume_state
from tersely.learn.steering import Steering, Unsteered
from tersely.learn.trainer import Trainer
from tersely.models.trained_for import further_notes
from tersely.rollouts import Grader, judge_for
from tersely.samplers.base import Sampler, close_after
from tersely.stop import Stopped, StopRequest
from tersely.tasks.sources.own import OwnTask
from tersely.trackers.follow import followed
from tersely.verify.verifier import Verifier

Callback = Callable[[StepRecord], object]
"""Given each step's record, in the process that holds the run folder. Returning True asks the run to save and end;
what it raises ends the run at once, and the last checkpoint stands."""


def train(
    config: TrainConfig,
    out: Path,
    display: Display,
    *,
    problems: OwnTask | None = None,
    judge: Grader | None = None,
    verifier: Verifier | str | None = None,
    sampler: Sampler | None = None,
    callbacks: Sequence[Callback] = (),
    steering: Steering | None = None,
) -> TrainSummary:
    """Train as configured in the run folder ``out``; returns what was done.

    ``problems``, ``judge`` (or a ``verifier`` for one of ours) and ``sampler`` take the place of those that the
    configuration names; ``steering`` says what alpha is at a step, and when no more is to come. Everything a user can
    get wrong is looked at before the run folder is touched. Raises Stopped after a signal asked for a stop and the work
    was saved; UserError and RunError as documented.
    """
    steering = steering or Unsteered()
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    # Nothing of ours draws from torch's own state, but checkpoints keep it: it must not depend on the process.
    torch.manual_seed(config.seed)
    with World.joined() as world, judge_for(judge, config.run.judge_workers, verifier or config.verifier) as grader:
        ready, base = look_before_training(config, grader, world, problems, steering.longest_prompt)
        further = further_notes(ready.folder, config.template, config.objective.levels)
        for said in filter(None, (ready.loaded.words(), *further, ready.notice)):
            display.note(said)
        with open_run(out, config, ready, world, steering.identity, base.model) as run:
            state = read_resume_state(run, ready, world)
            if state.done is not None:
                display.note(f"{out} is finished already: nothing to do")
                return state.done
            with explain_training_memory("loading", config, world.size):
                trainer = Trainer(config, ready, base, grader, sampler, run, state, display, world)
            # A resumed run without a reference has no use for the base's weights any more.
            del base
            last, every = config.run.steps, config.run.checkpoint_every
            served, where = close_after(trainer.sampler, given=sampler), run.path if run else None
            trackers = followed(config.run.report_to, where, lambda: trainer.samples, display.note)
            with StopRequest() as stop, served, closing(trainer.learner), trackers as following:
                trainer.probe()
                steering.begin(trainer)
                for step in range(trainer.first_step + 1, last + 1):
                    if steering.is_over:
                        return trainer.end(step - 1, finished=True)
                    record = trainer.step(step, steering.alpha(step))
                    steering.after(trainer, step)
                    asked = world.is_main and tell([*callbacks, *following], record)
                    signum, ends = map(max, zip(*world.all_gather([stop.requested or 0, int(asked)]), strict=True))
                    is_due = step % every == 0 and not trainer.watch.holds_back
                    if is_due or step == last or signum or ends or steering.is_over:
                        trainer.save(step)
                    if signum and step < last:
                        place = where or "the run folder of rank 0"
                        raise world.raise_on_rank0(Stopped(signum, f"step {step} of {last} is saved in {place}"))
                    if ends and step < last:
                        return trainer.end(step, finished=False)
            return trainer.end(last, finished=True)


def tell(callbacks: Sequence[Callback], record: StepRecord) -> bool:
    """Whether any of them, all told, asks the run to end."""
    answers = [callback(record) for callback in callbacks]
    return any(answer is True for answer in answers)
