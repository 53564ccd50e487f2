"""Laser: a bonus for right answers below a target length (hkust-nlp/Laser, arXiv 2505.15612)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended

WRONG = -0.5
"""Of a wrong response."""


@dataclass(frozen=True)
class Laser(Method):
    """r_i = 1 + bonus * 1[l_i <= target] where right, -1/2 where wrong.

    hkust-nlp/Laser@c9e7c4e, verl/utils/reward_score/length_penalty.py: bonus 0.5, target 8,192 (2,048 and 4,096 in
    other runs). The authors give -1 to a response without a readable answer; here that is wrong. No statistic, hence
    no ddof (their GRPO: ddof 1).

    Degenerate cases: a target at or above the cap gives every right response the bonus (``check_run`` refuses that);
    groups without a right one teach nothing.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    target: float = 8192.0
    """Tokens, > 0."""
    bonus: float = 0.5
    """Bonus >= 0."""

    def __post_init__(self) -> None:
        settle(self, target=("target > 0 tokens", ABOVE_0, math.inf), bonus=("bonus >= 0", 0.0, math.inf))

    def rewards(self, group: GroupView) -> Reward:
        return blended(group, np.where(group.lengths_G <= self.target, 1.0 + self.bonus, 1.0), WRONG)

    def check_run(self, siblings: int, cap: int | None) -> None:
        if cap is not None and self.target >= cap:
            raise UserError(
                f"laser gives every right answer its bonus where target = {self.target:g} is not below the cap, which "
                f"is {cap}: take a smaller target"
            )
