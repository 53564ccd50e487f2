"""L1-Exact: the length that the prompt asks for (LCPO, arXiv 2503.04697)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView, Need
from tersely.objective.methods.base import Method, price_of_length
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class L1Exact(Method):
    """r_i = s_i - alpha * |n_i - l_i|, n_i the budget in the prompt, in tokens (cmu-l3/l1@93dd330, math_reward.py).

    0.0003 a token in the paper; the code's own default is 1/3000. Lengths are of whole responses. No statistic, hence
    no ddof.

    Degenerate cases: a right response more than 1 / alpha tokens (3,333) off its budget earns less than a wrong one
    that meets it; groups without a right one learn to meet the budget.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BUDGET})
    promise: ClassVar[Promise] = Promise(
        Order.BROKEN, AllWrong.BUDGET, "when the right one is more than 1 / alpha tokens farther off its budget"
    )

    alpha: float = 3e-4
    """Price of a token too many or too few, 0 <= alpha < 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", price_of_length(self.alpha))

    def rewards(self, group: GroupView) -> Reward:
        assert group.budgets_G is not None
        return Reward(group.scores_G - self.alpha * np.abs(group.budgets_G - group.lengths_G))
