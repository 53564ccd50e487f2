"""LACONIC (arXiv 2602.14468): a price of tokens beyond a budget that rises until the mean length meets it."""

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
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class Laconic(Method):
    """r_i = s_i - min(lam * max(0, l_i / B - 1), most) - at_cap * 1[l_i = cap], right and wrong alike.

    After every step lam becomes clip(lam + rate * (mean of all l / B - 1), low, high). Debugger001/LACONIC-LLM (README
    and scripts; constants of its 1.5B run under a cap of 4,096). Without ``most`` (the paper's Eq. 3) nothing bounds
    the penalty. No deviation, hence no ddof.

    Degenerate cases: lam starts at 0, so that the first steps are plain accuracy below the cap; with most + at_cap < 1
    a right response earns more than every wrong one; groups without a right one learn brevity; a budget at or above
    the cap is never exceeded (``check_run`` refuses that).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CAP, Need.STATE})
    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.SHORTER)

    budget: float = 2000.0
    """B in tokens, > 0."""
    start: float = 0.0
    """lam before the first step."""
    rate: float = 0.002
    """Step of lam, > 0."""
    low: float = 1e-5
    """The least lam after a step."""
    high: float = 0.1
    """The largest lam."""
    most: float = 0.4
    """The largest penalty of length."""
    at_cap: float = 0.1
    """Penalty of a response that reaches the cap."""

    def __post_init__(self) -> None:
        above_0, any_price = ("a number > 0", ABOVE_0, math.inf), ("a number >= 0", 0.0, math.inf)
        settle(self, budget=("budget > 0 tokens", ABOVE_0, math.inf), rate=above_0, high=above_0)
        settle(self, start=any_price, low=any_price, most=any_price, at_cap=any_price)
        if self.low > self.high:
            raise UserError(f"laconic needs low <= high, not {self.low:g} and {self.high:g}")
        if self.most + self.at_cap >= 1:
            raise UserError(
                f"laconic's most + at_cap = {self.most + self.at_cap:g} must stay below 1, or a wrong answer can earn "
                "as much as a right one"
            )

    def rewards(self, group: GroupView) -> Reward:
        assert group.state is not None
        assert group.cap is not None
        over_G = np.maximum(0.0, group.lengths_G / self.budget - 1.0)
        penalty_G = np.minimum(group.state["lam"] * over_G, self.most)
        return Reward(group.scores_G - penalty_G - self.at_cap * (group.lengths_G >= group.cap))

    def check_run(self, siblings: int, cap: int | None) -> None:
        require_below_cap("laconic", "budget", self.budget, cap)

    def initial_state(self) -> State:
        return {"lam": self.start}

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        return {"lam": followed(state["lam"], groups, self.budget, self.rate, self.low, self.high)}
