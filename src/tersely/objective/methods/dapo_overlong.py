"""DAPO's soft punishment of overlong responses (arXiv 2503.14476, Eq. 13)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView, Need
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended


@dataclass(frozen=True)
class DapoOverlong(Method):
    """r_i = 1 or -1, minus factor * clip((l_i - (cap - buffer)) / buffer, 0, 1), right and wrong alike.

    arXiv 2503.14476, Eq. 13 (buffer 4,096 below a cap of 20,480, factor 1), as in verl 0.9.1 (reward_manager/dapo.py).
    It acts in the last ``buffer`` tokens alone: a guard of the cap more than an objective for length. No statistic,
    hence no ddof; the authors divide by the deviation of the group and average over tokens.

    Degenerate cases: below cap - buffer plain accuracy; groups without a right one learn brevity near the cap. With
    rewards 1 and 0 in place of 1 and -1 a right response at the cap would tie with a wrong one: that is not offered.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CAP})
    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.SHORTER)

    buffer: float = 4096.0
    """Tokens below the cap over which the punishment grows, > 0."""
    factor: float = 1.0
    """Punishment at the cap, 0 <= factor < 2."""

    def __post_init__(self) -> None:
        settle(
            self,
            buffer=("buffer > 0 tokens", ABOVE_0, math.inf),
            factor=("0 <= factor < 2 (from 2 on a wrong answer can earn as much as a right one)", 0.0, 2.0),
        )

    def rewards(self, group: GroupView) -> Reward:
        assert group.cap is not None
        over_G = np.clip((group.lengths_G - (group.cap - self.buffer)) / self.buffer, 0.0, 1.0)
        return blended(group, 1.0 - self.factor * over_G, -1.0 - self.factor * over_G)

    def check_run(self, siblings: int, cap: int | None) -> None:
        if cap is not None and self.buffer >= cap:
            raise UserError(
                f"dapo-overlong punishes the last buffer = {self.buffer:g} tokens below the cap, which is {cap}: take "
                f"a smaller buffer ({max(cap // 5, 1)} keeps the authors' share of it)"
            )
