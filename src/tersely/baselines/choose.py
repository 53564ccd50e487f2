"""Which kept responses a baseline learns from, and what each is worth. Pure numpy."""

from __future__ import annotations

import numpy as np

from tersely.records import BoolArray, Credit, FloatArray, Group, Rollout


def shortest_correct(group: Group) -> Rollout | None:
    """The shortest correct response (the first of equals); None where none is correct."""
    return min(every_correct(group), key=lambda r: r.length, default=None)


def shortest_and_longest(group: Group) -> tuple[Rollout, Rollout] | None:
    """(chosen, rejected) = the shortest and the longest correct response (the first of equals).

    None where all correct responses are equally long, a single one or none: there is nothing to prefer then.
    """
    correct = every_correct(group)
    if len({r.length for r in correct}) < 2:
        return None
    return min(correct, key=lambda r: r.length), max(correct, key=lambda r: r.length)


def every_correct(group: Group) -> list[Rollout]:
    """In the order they were drawn."""
    return [r for r, right in zip(group.rollouts, group.correct_G, strict=True) if right]


def pruner_rewards(
    correct_G: BoolArray,
    lengths_G: FloatArray,
    judged_G: BoolArray,
    accuracy_weight: float,
    bounds: tuple[float, float],
) -> FloatArray:
    """[G] O1-Pruner's length-harmonising reward (arXiv 2501.12570), 0 where not judged:

        mean(lengths) / length_i - 1 + accuracy_weight * (correct_i - mean(correct)),   clipped to ``bounds``

    Means are over the judged responses of the same problem, all drawn from the reference policy, wrong ones included.
    Every length must be positive.
    """
    rewards_G = np.zeros(len(lengths_G))
    if not judged_G.any():
        return rewards_G
    lengths, correct = lengths_G[judged_G], correct_G[judged_G].astype(np.float64)
    found = lengths.mean() / lengths - 1.0 + accuracy_weight * (correct - correct.mean())
    rewards_G[judged_G] = np.clip(found, *bounds)
    return rewards_G


def pruner_credit(group: Group, accuracy_weight: float, bounds: tuple[float, float]) -> Credit:
    """The reward taken as the advantage of every token, as O1-Pruner does: the reference means are its baseline."""
    counted_G = group.judged_G & (group.lengths_G > 0)
    rewards_G = pruner_rewards(group.correct_G, group.lengths_G, counted_G, accuracy_weight, bounds)
    return Credit(rewards_G, rewards_G.copy(), counted_G, None if counted_G.any() else "no judged response")
