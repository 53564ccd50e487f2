"""The cosine reward of "Demystifying Long Chain-of-Thought Reasoning" (arXiv 2502.03373)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView, Need
from tersely.objective.methods.base import Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended
from tersely.records import FloatArray

ANY = ("a finite number", -math.inf, math.inf)
NEAR = 16
"""Tokens before the cap within which a response counts as overlong, in the authors' code."""


@dataclass(frozen=True)
class Cosine(Method):
    """r_i = b + (a - b) / 2 * (1 + cos(pi * l_i / cap)): a at no tokens, b at the cap; exceed where l_i + 16 >= cap.

    Right: a = 2, b = 1. Wrong: a = -10, b = 0. exceed = -10, right or wrong (eddycmu/demystify-long-cot@e90cf9b,
    reward/cosine.py, values of its scripts). Their penalties for repetition (n-grams of words in wrong responses, of 40
    tokens in all) are not part of it. No statistic, hence no ddof.

    Degenerate cases: a right response within 16 tokens of the cap earns less than almost every wrong one; groups
    without a right one learn to be longer (so the authors needed the penalties), but not up to the cap. A cap of 16
    tokens or less leaves nothing (``check_run``).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CAP})
    promise: ClassVar[Promise] = Promise(
        Order.BROKEN, AllWrong.LONGER, "when the right one ends within 16 tokens of the cap"
    )

    right_short: float = 2.0
    """Of a right response of no tokens."""
    right_long: float = 1.0
    """Of a right response at the cap."""
    wrong_short: float = -10.0
    """Of a wrong response of no tokens."""
    wrong_long: float = 0.0
    """Of a wrong response at the cap."""
    exceed: float = -10.0
    """Of every response within 16 tokens of the cap."""

    def __post_init__(self) -> None:
        settle(self, right_short=ANY, right_long=ANY, wrong_short=ANY, wrong_long=ANY, exceed=ANY)
        order = ("exceed", "wrong_short", "wrong_long", "right_long", "right_short")
        values = [getattr(self, name) for name in order]
        if values != sorted(values) or values[2] == values[3] or values[1] == values[2]:
            raise UserError(
                "cosine's values must rise as exceed <= wrong_short < wrong_long < right_long <= right_short, so that "
                f"right ones earn more than wrong ones below the cap, not {', '.join(f'{v:g}' for v in values)}"
            )

    def rewards(self, group: GroupView) -> Reward:
        assert group.cap is not None
        fall_G = (1.0 + np.cos(np.pi * np.minimum(group.lengths_G / group.cap, 1.0))) / 2.0
        overlong_G = group.lengths_G + NEAR >= group.cap

        def between(short: float, long: float) -> FloatArray:
            return np.where(overlong_G, self.exceed, long + (short - long) * fall_G)

        return blended(group, between(self.right_short, self.right_long), between(self.wrong_short, self.wrong_long))

    def check_run(self, siblings: int, cap: int | None) -> None:
        if cap is not None and cap <= NEAR:
            raise UserError(
                f"cosine counts the last {NEAR} tokens below the cap as overlong: a cap of {cap} is too low"
            )
