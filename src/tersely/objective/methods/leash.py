"""LEASH (arXiv 2512.21540), as far as it is known at second hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView, Need, State
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.multiplier import followed, require_below_cap
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended


@dataclass(frozen=True)
class Leash(Method):
    """r_i = clip(b_i - lam * max(0, l_i / target - 1), -1, 1), b_i = 1 where right and -1 where wrong.

    After every step lam becomes clip(lam + rate * (mean of all l / target - 1), low, high). SECONDARY: formula and
    constants are of a third party's port (its README and launch flags); the paper (arXiv 2512.21540) was not read, and
    its own constants are not known. No deviation, hence no ddof.

    Degenerate cases: a right response at target * (1 + 2 / lam) or beyond earns -1, as every wrong one does; groups
    without a right one teach nothing; a target at or above the cap is never exceeded (``check_run`` refuses that).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.STATE})
    promise: ClassVar[Promise] = Promise(
        Order.TIES, AllWrong.NOTHING, "a right one of 1 + 2 / lam times the target earns -1"
    )

    target: float = 4096.0
    """Tokens, > 0."""
    start: float = 0.2
    """lam before the first step."""
    rate: float = 0.05
    """Step of lam, > 0."""
    low: float = 0.0
    """The least lam."""
    high: float = 1.0
    """The largest lam."""

    def __post_init__(self) -> None:
        above_0, any_price = ("a number > 0", ABOVE_0, math.inf), ("a number >= 0", 0.0, math.inf)
        settle(self, target=("target > 0 tokens", ABOVE_0, math.inf), rate=above_0, high=above_0)
        settle(self, start=any_price, low=any_price)
        if not self.low <= self.start <= self.high:
            raise UserError(f"leash needs low <= start <= high, not {self.low:g}, {self.start:g}, {self.high:g}")

    def rewards(self, group: GroupView) -> Reward:
        assert group.state is not None
        penalty_G = group.state["lam"] * np.maximum(0.0, group.lengths_G / self.target - 1.0)
        return blended(group, np.clip(1.0 - penalty_G, -1.0, 1.0), np.clip(-1.0 - penalty_G, -1.0, 1.0))

    def check_run(self, siblings: int, cap: int | None) -> None:
        require_below_cap("leash", "target", self.target, cap)

    def initial_state(self) -> State:
        return {"lam": self.start}

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        return {"lam": followed(state["lam"], groups, self.target, self.rate, self.low, self.high)}
