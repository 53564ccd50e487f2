"""ACOER: a bonus for short right answers whose size follows the accuracy (js-lee-AI/ACOER)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView, Need, State
from tersely.objective.length import mean_length
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.multiplier import of_step
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended

CURVE = 5.0
"""In log(1 + 5 x) / log 6, which bends the bonus."""


@dataclass(frozen=True)
class Acoer(Method):
    """r_i = 1 + a * log(1 + 5 (1 - min(l_i / B, 1))) / log 6 where right, 0 where wrong; a and B follow the run.

    js-lee-AI/ACOER@d13bb6b, acoer/reward.py. After every step accuracy and mean right length enter moving averages
    (weight 2 / (span + 1)). Once ``warmup`` steps and ``window`` averages are there: a falls by ``down`` (not below
    ``low``) where the average accuracy is more than ``drop`` below what it was ``window`` averages ago, the present one
    counted, else it rises by ``up`` (not above ``high``); and B = max(floor, share * average length).

    The authors measure characters of the thinking block, four for a token, in every call of the reward on every
    process; here it is tokens of the response, once a step, and the state is in the checkpoint. No ddof.

    Degenerate cases: steps without a right response leave the average length as it is (there it counts as 0); a slow
    loss of less than ``drop`` a window is never noticed; right responses from B on earn 1.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.STATE})
    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    start: float = 0.02
    """a before the first change."""
    low: float = 0.01
    """The least a, > 0."""
    high: float = 0.5
    """The largest a."""
    up: float = 1.02
    """Factor of a where accuracy holds, >= 1."""
    down: float = 0.95
    """Factor of a where it fell, at most 1."""
    drop: float = 0.02
    """Loss of accuracy that is let pass."""
    span: float = 50.0
    """Steps that the moving averages reach back, >= 1."""
    window: float = 100.0
    """Steps over which accuracy is compared, >= 1."""
    warmup: float = 200.0
    """Steps before the first change."""
    share: float = 0.85
    """B as a share of the average right length."""
    floor: float = 512.0
    """The least B in tokens."""
    budget: float = 4096.0
    """B in tokens before the first change."""

    def __post_init__(self) -> None:
        above_0, tokens = ("a number > 0", ABOVE_0, math.inf), ("a number of tokens > 0", ABOVE_0, math.inf)
        steps = ("a number of steps >= 1", 1.0, 1e6)
        settle(self, start=above_0, low=above_0, high=above_0, floor=tokens, budget=tokens, share=above_0)
        settle(self, span=steps, window=steps, warmup=("warmup >= 0 steps", 0.0, math.inf))
        settle(self, up=("up >= 1", 1.0, 10.0), down=("0 < down <= 1", ABOVE_0, math.nextafter(1.0, 2.0)))
        settle(self, drop=("0 <= drop < 1", 0.0, 1.0))
        if not self.low <= self.start <= self.high:
            raise UserError(f"acoer needs low <= start <= high, not {self.low:g}, {self.start:g}, {self.high:g}")

    def rewards(self, group: GroupView) -> Reward:
        assert group.state is not None
        spare_G = 1.0 - np.minimum(group.lengths_G / group.state["budget"], 1.0)
        bonus_G = np.log1p(CURVE * spare_G) / math.log1p(CURVE)
        return blended(group, 1.0 + group.state["a"] * bonus_G, 0.0)

    def initial_state(self) -> State:
        return {"steps": 0, "a": self.start, "budget": self.budget, "length": None, "accuracy": []}

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        counted = of_step(groups, lambda group: group.scores_G[group.counted_G])
        right_N = of_step(groups, lambda group: group.lengths_G[group.earning_G])
        if not counted.size:
            return {**state, "steps": state["steps"] + 1}
        before = state["accuracy"][-1] if state["accuracy"] else None
        accuracy = [*state["accuracy"], self._average(before, mean_length(counted))][-int(self.window) :]
        length = self._average(state["length"], mean_length(right_N)) if right_N.size else state["length"]
        after = {**state, "steps": state["steps"] + 1, "accuracy": accuracy, "length": length}
        if state["steps"] < self.warmup or len(accuracy) < int(self.window):
            return after
        fell = accuracy[0] - accuracy[-1] > self.drop
        a = max(self.low, state["a"] * self.down) if fell else min(self.high, state["a"] * self.up)
        return {**after, "a": a, "budget": max(self.floor, self.share * length) if length else state["budget"]}

    def _average(self, before: float | None, value: float) -> float:
        weight = 2.0 / (self.span + 1.0)
        return value if before is None else weight * value + (1.0 - weight) * before
