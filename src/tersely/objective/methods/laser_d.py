"""Laser-D: Laser with a target of its own for easy, middling and hard problems, moved as the policy learns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView, Need, State
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.methods.laser import WRONG
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended

LEVELS = ("low", "medium", "high")
"""By the share of right responses in a group: below 1/3, below 2/3, from 2/3 on."""


@dataclass(frozen=True)
class LaserD(Method):
    """r_i = 1 + bonus * 1[l_i <= target of the group's level] where right, -1/2 where wrong.

    hkust-nlp/Laser@c9e7c4e, verl/utils/reward_score/length_penalty.py. Every ``every`` steps the target of a level
    becomes the smallest candidate c (lower, lower + step, ... up to the cap) with floor(coverage(c) * N) >= 1, but at
    most the longest response seen. coverage(c) is the share of all responses of that level, right or wrong, of at
    most c tokens; N = 2n // 3, n // 3 and 1 for high, medium and low among n siblings. Until then all targets are
    ``start``. Constants are those of the authors' run "L4096".

    The authors measure coverage on 500 training problems sampled for it, here it is the training groups of the last
    ``every`` steps; they also call p = 1/3 low and p = 2/3 medium while measuring. A response without a readable answer
    is wrong, not -1. No statistic, hence no ddof.

    Degenerate cases: a level that was not seen, and N = 0 (fewer than 3 siblings), take the longest response as target;
    a lower at or above the cap leaves no choice (``check_run`` refuses that).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CAP, Need.STATE})
    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    start: float = 8192.0
    """Target of all levels in the first ``every`` steps."""
    lower: float = 4096.0
    """The smallest target."""
    step: float = 1024.0
    """Tokens between candidates."""
    every: float = 20.0
    """Whole steps between changes of the targets, >= 1."""
    bonus: float = 0.5
    """Bonus >= 0."""

    def __post_init__(self) -> None:
        tokens = ("a number of tokens > 0", ABOVE_0, math.inf)
        settle(self, start=tokens, lower=tokens, step=("step >= 1 token", 1.0, math.inf))
        settle(self, every=("every >= 1 step", 1.0, math.inf), bonus=("bonus >= 0", 0.0, math.inf))

    def rewards(self, group: GroupView) -> Reward:
        assert group.state is not None
        target = group.state["targets"][level(group)]
        return blended(group, np.where(group.lengths_G <= target, 1.0 + self.bonus, 1.0), WRONG)

    def check_run(self, siblings: int, cap: int | None) -> None:
        if cap is not None and self.lower >= cap:
            raise UserError(
                f"laser-d chooses targets from lower = {self.lower:g} tokens on, which is not below the cap of {cap}: "
                "take a smaller lower (and start)"
            )

    def initial_state(self) -> State:
        return {"steps": 0, "targets": dict.fromkeys(LEVELS, self.start), "seen": {}, "longest": 0.0, "siblings": 0}

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        seen = {name: list(counts) for name, counts in state["seen"].items()}
        longest, siblings = state["longest"], state["siblings"]
        for group in groups:
            lengths_N = group.lengths_G[group.counted_G]
            if lengths_N.size:
                counts = [int(lengths_N.size), *(int((lengths_N <= c).sum()) for c in self._candidates(group))]
                before = seen.get(level(group), [0] * len(counts))
                seen[level(group)] = [a + b for a, b in zip(before, counts, strict=True)]
                longest, siblings = max(longest, float(lengths_N.max())), max(siblings, int(lengths_N.size))
        after = {**state, "steps": state["steps"] + 1, "seen": seen, "longest": longest, "siblings": siblings}
        return self._moved(after) if after["steps"] % int(self.every) == 0 and seen else after

    def _moved(self, state: State) -> State:
        """The state with new targets, and nothing seen yet of the next ones."""
        n = state["siblings"]
        enough = {"low": 1, "medium": n // 3, "high": 2 * n // 3}
        targets = {}
        for name in LEVELS:
            total, *covered = state["seen"].get(name, [0])
            reached = (self.lower + i * self.step for i, c in enumerate(covered) if c * enough[name] >= total)
            targets[name] = min(next(reached, math.inf), state["longest"])
        return {**state, "targets": targets, "seen": {}, "longest": 0.0, "siblings": 0}

    def _candidates(self, group: GroupView) -> list[float]:
        assert group.cap is not None
        return [self.lower + i * self.step for i in range(int((group.cap - self.lower) // self.step) + 1)]


def level(group: GroupView) -> str:
    """Of the problem, by the share of right ones among its counted responses; "low" where none is counted."""
    counted, right = int(group.counted_G.sum()), int(group.earning_G.sum())
    return LEVELS[(3 * right >= counted) + (3 * right >= 2 * counted)] if counted else LEVELS[0]
