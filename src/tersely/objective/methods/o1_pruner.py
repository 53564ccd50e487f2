"""O1-Pruner's length-harmonising reward (arXiv 2501.12570)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward
from tersely.records import BoolArray, FloatArray


def pruner_rewards(
    correct_G: BoolArray | FloatArray,
    lengths_G: FloatArray,
    judged_G: BoolArray,
    accuracy_weight: float,
    bounds: tuple[float, float],
) -> FloatArray:
    """[G] O1-Pruner's length-harmonising reward (arXiv 2501.12570), 0 where not judged:

        mean(lengths) / length_i - 1 + accuracy_weight * (correct_i - mean(correct)),   clipped to ``bounds``

    Means are over the judged responses of the same problem, wrong ones included. Every length must be positive.
    """
    rewards_G = np.zeros(len(lengths_G))
    if not judged_G.any():
        return rewards_G
    lengths, correct = lengths_G[judged_G], correct_G[judged_G].astype(np.float64)
    found = lengths.mean() / lengths - 1.0 + accuracy_weight * (correct - correct.mean())
    rewards_G[judged_G] = np.clip(found, *bounds)
    return rewards_G


@dataclass(frozen=True)
class O1Pruner(Method):
    """r_i = clip(mean(l) / l_i - 1 + accuracy_weight * (s_i - mean(s)), low, high): see ``pruner_rewards``.

    StarDewXXX/O1-Pruner: weight 2 in its paper (5 in its README), clipped to -2 .. 4 in its code. There the means are
    those of responses that the reference drew, and the reward is the advantage itself, which is what
    `tersely baseline o1-pruner` does; here they are those of the group, which in the first step is the same. No
    deviation, hence no ddof.

    Degenerate cases: 1 / l_i has no bound but ``high``, so that a short wrong answer can earn more than a long right
    one; groups without a right one learn brevity; a response of no tokens counts as one.
    """

    promise: ClassVar[Promise] = Promise(
        Order.BROKEN, AllWrong.SHORTER, "when the wrong one is short enough, as mean / length has no bound but high"
    )

    accuracy_weight: float = 2.0
    """What a right answer is worth, > 0."""
    low: float = -2.0
    """The least reward."""
    high: float = 4.0
    """The largest reward."""

    def __post_init__(self) -> None:
        anything = ("a finite number", -math.inf, math.inf)
        settle(self, accuracy_weight=("accuracy_weight > 0", ABOVE_0, math.inf), low=anything, high=anything)
        if self.low >= self.high:
            raise UserError(f"o1-pruner needs low < high, not {self.low:g} and {self.high:g}")

    def rewards(self, group: GroupView) -> Reward:
        lengths_G = np.maximum(group.lengths_G, 1.0)
        bounds = (self.low, self.high)
        return Reward(pruner_rewards(group.scores_G, lengths_G, group.counted_G, self.accuracy_weight, bounds))
