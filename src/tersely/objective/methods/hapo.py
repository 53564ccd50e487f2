"""HAPO (arXiv 2505.11225): shorter than the shortest right answer that this problem ever had."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView, Need, State
from tersely.objective.methods.base import Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended

FLOOR = -0.7
"""The least length reward of a right response."""


@dataclass(frozen=True)
class Hapo(Method):
    """r_i = 1 + weight * max(f_i, -0.7) where right, weight * min(f_i, 0) where wrong; f = cos(min(pi l / (2 h), pi)).

    h is the length of the shortest right response to this problem in all steps before; a problem that was never solved
    has no length term. SECONDARY in part: the authors' README (arXiv 2505.11225) gives the minimum, weight 1 in [0, 1]
    and that every right response earns more than every wrong one; the exact f is a reading note's that agrees with it.
    No deviation, hence no ddof.

    Degenerate cases: h never rises again, so that one lucky guess stays the aim for ever; once a problem was solved,
    groups without a right one learn brevity down to h.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.PROBLEM, Need.STATE})
    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.SHORTER)

    weight: float = 1.0
    """Of the length term, 0 <= weight <= 1."""

    def __post_init__(self) -> None:
        settle(self, weight=("0 <= weight <= 1", 0.0, math.nextafter(1.0, 2.0)))

    def rewards(self, group: GroupView) -> Reward:
        assert group.state is not None
        best = group.state.get(str(group.problem_id))
        if best is None:
            return Reward(group.scores_G)
        f_G = np.cos(np.minimum(np.pi / 2 * (group.lengths_G / max(best, 1.0)), np.pi))
        return blended(group, 1.0 + self.weight * np.maximum(f_G, FLOOR), self.weight * np.minimum(f_G, 0.0))

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        after = dict(state)
        for group in groups:
            name, right_N = str(group.problem_id), group.lengths_G[group.earning_G]
            if right_N.size:
                after[name] = min(after.get(name, math.inf), float(right_N.min()))
        return after
