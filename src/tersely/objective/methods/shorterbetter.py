"""ShorterBetter: towards the shortest right response of the group (arXiv 2504.21370)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.length import mean_length
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class ShorterBetter(Method):
    """r_i = correct * s_i - beta * |l_i - SOL|, SOL the shortest right response, or the mean of all where none is.

    JingyangYi/ShorterBetter@b756423, verl/verl/workers/reward_manager/naive.py: correct = 2 (the paper's alpha) and
    beta = 0.001 for both sizes. Wrong responses pay too. No deviation, hence no ddof (their GRPO: ddof 1).

    Degenerate cases: a right response more than correct / beta tokens (2,000) longer than the shortest right one earns
    less than a wrong one of that length; groups without a right one are drawn to their mean length.
    """

    promise: ClassVar[Promise] = Promise(
        Order.BROKEN, AllWrong.MEAN, "when the right one is more than correct / beta tokens longer than the shortest"
    )

    correct: float = 2.0
    """What a right answer is worth, > 0."""
    beta: float = 1e-3
    """Price of a token away from SOL, > 0."""

    def __post_init__(self) -> None:
        settle(self, correct=("correct > 0", ABOVE_0, math.inf), beta=("0 < beta < 1", ABOVE_0, 1.0))

    def rewards(self, group: GroupView) -> Reward:
        if not group.counted_G.any():
            return Reward(np.zeros_like(group.scores_G))
        right_N = group.lengths_G[group.earning_G]
        best = float(right_N.min()) if right_N.size else mean_length(group.lengths_G[group.counted_G])
        return Reward(self.correct * group.scores_G - self.beta * np.abs(group.lengths_G - best))
