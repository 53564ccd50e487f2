"""Which kept responses a baseline learns from, and what each is worth. Pure numpy."""

from __future__ import annotations

from tersely.objective.methods.o1_pruner import pruner_rewards
from tersely.records import Credit, Group, Rollout


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


def pruner_credit(group: Group, accuracy_weight: float, bounds: tuple[float, float]) -> Credit:
    """The reward taken as the advantage of every token, as O1-Pruner does: the reference means are its baseline."""
    counted_G = group.judged_G & (group.lengths_G > 0)
    rewards_G = pruner_rewards(group.correct_G, group.lengths_G, counted_G, accuracy_weight, bounds)
    return Credit(rewards_G, rewards_G.copy(), counted_G, None if counted_G.any() else "no judged response")
