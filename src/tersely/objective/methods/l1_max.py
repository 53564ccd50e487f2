"""L1-Max: at most the length that the prompt asks for (LCPO, arXiv 2503.04697)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView, Need
from tersely.objective.methods.base import Method, price_of_length
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class L1Max(Method):
    """r_i = s_i * (clip(alpha * (n_i - l_i), -1, 1) + 1) / 2, n_i the budget in the prompt, in tokens.

    The formula of the authors' code (cmu-l3/l1@93dd330, math_reward.py), whose slope is alpha / 2. The paper's
    clip(alpha * (n - l) + 1/2, 0, 1) is the same with twice the alpha. 0.0003 in the paper. No ddof.

    Degenerate cases: a right response of n + 1 / alpha tokens or more earns 0, as a wrong one does; all that stay
    under n - 1 / alpha earn 1.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BUDGET})
    promise: ClassVar[Promise] = Promise(
        Order.TIES, AllWrong.NOTHING, "a right one of 1 / alpha tokens beyond its budget earns 0"
    )

    alpha: float = 3e-4
    """Twice the price of a token, 0 <= alpha < 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", price_of_length(self.alpha))

    def rewards(self, group: GroupView) -> Reward:
        assert group.budgets_G is not None
        share_G = (np.clip(self.alpha * (group.budgets_G - group.lengths_G), -1.0, 1.0) + 1.0) / 2.0
        return Reward(group.scores_G * share_G)
