"""ALP (arXiv 2506.05256): a price of tokens that falls with the difficulty of the problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.objective.length import mean_length
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class Alp(Method):
    """r_i = s_i - beta * l_i * max(p, 1 / n), p the share of right ones among the n counted siblings.

    SECONDARY in part: the formula is that of the paper's abstract (arXiv 2506.05256); beta = 1e-7 is not verified.
    No deviation, hence no ddof.

    Degenerate cases: the floor 1 / n makes groups without a right one learn brevity, and a division by the deviation of
    the group (``normalize="group"``) blows that tiny difference up to full size. beta * cap >= 1 would let a wrong
    answer earn as much as a right one (``check_run`` refuses that).
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.SHORTER)

    beta: float = 1e-7
    """Price of a token where all siblings are right, 0 < beta < 0.1."""

    def __post_init__(self) -> None:
        settle(self, beta=("0 < beta < 0.1", ABOVE_0, 0.1))

    def rewards(self, group: GroupView) -> Reward:
        scores_N = group.scores_G[group.counted_G]
        if not scores_N.size:
            return Reward(np.zeros_like(group.scores_G))
        price = self.beta * max(mean_length(scores_N), 1.0 / scores_N.size)
        return Reward(group.scores_G - price * group.lengths_G)

    def check_run(self, siblings: int, cap: int | None) -> None:
        if cap is not None and self.beta * cap >= 1:
            raise UserError(
                f"alp's beta = {self.beta:g} times the cap of {cap} tokens is 1 or more, so that a wrong answer can "
                f"earn as much as a right one: take a beta below {1 / cap:.3g}"
            )
