"""Dynamic sampling without a second round: more problems are drawn than a step trains on, and the first that teach
something are kept (DAPO, arXiv 2503.14476, section 3.2, draws again instead). A pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tersely.objective import GroupView, Objective, State
from tersely.records import Credit, Group

SPARE = "enough other groups teach something"
"""``Credit.dropped`` of a group beyond those that a step trains on."""


def credits_of_most(objective: Objective, groups: Sequence[GroupView], state: State, most: int) -> list[Credit]:
    """Credit of every group, of which at most ``most`` are not dropped: the first that the filter lets through.

    Scaling over the step ("batch") looks at those alone. With no more groups than ``most`` nothing is changed.
    """
    credits = objective.credits(groups, state)
    chosen = [i for i, credit in enumerate(credits) if credit.dropped is None][:most]
    if len(groups) <= most:
        return credits
    again = dict(zip(chosen, objective.credits([groups[i] for i in chosen], state), strict=True))
    return [again.get(i) or _left_out(credit) for i, credit in enumerate(credits)]


def _left_out(credit: Credit) -> Credit:
    return replace(credit, advantages_G=np.zeros_like(credit.advantages_G), dropped=credit.dropped or SPARE)


def used_groups(
    groups: Sequence[Group], credits: Sequence[Credit], most: int
) -> tuple[Sequence[Group], Sequence[Credit]]:
    """What is shared out to the gradient steps: all groups, or without the dropped ones where more were drawn."""
    if len(groups) <= most:
        return groups, credits
    used = [i for i, credit in enumerate(credits) if credit.dropped is None]
    return [groups[i] for i in used], [credits[i] for i in used]
