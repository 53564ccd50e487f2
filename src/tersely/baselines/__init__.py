"""The simple alternatives that the method is compared with: made from responses that are drawn once and kept.

Rejection sampling and SFT, DPO (both through TRL's trainers), O1-Pruner's offline objective (our own learner), and
distillation from a model that reasons at length.
"""
