"""DOT: cut the outliers of groups that are all right (U-rara/DOT)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.objective.length import mean_length, sample_std
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward
from tersely.records import BoolArray


@dataclass(frozen=True)
class Dot(Method):
    """r_i = s_i, but 0 where every counted sibling is right and l_i - T >= margin, T = floor(mean + deviations * std).

    Mean and std over all counted siblings, ddof 1 (U-rara/DOT@9e6574b, projects/dot/length_truncation.py; 3 and 32
    there, 32 siblings). The authors cut the response at T and grade what is left, which may still hold the answer, and
    learn from its first T tokens; here a cut response is a truncated one, so it is wrong, and all its tokens are
    learnt from. Their margin as a share of T is not offered.

    Degenerate cases: n siblings have (l - mean) / std <= (n - 1) / sqrt(n), so that below 11 of them 3 deviations are
    never exceeded (``check_run`` refuses that); equal lengths have std 0 and are never cut; a group with a wrong or a
    partly right response keeps its scores.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    deviations: float = 3.0
    """Beyond the mean, > 0."""
    margin: float = 32.0
    """Tokens beyond T that are let pass, > 0."""

    def __post_init__(self) -> None:
        settle(
            self,
            deviations=("0 < deviations < 100", ABOVE_0, 100.0),
            margin=("margin > 0 tokens", ABOVE_0, math.inf),
        )

    def rewards(self, group: GroupView) -> Reward:
        return Reward(np.where(self._cut(group), 0.0, group.scores_G))

    def _cut(self, group: GroupView) -> BoolArray:
        """[G] the responses that are cut."""
        lengths_N = group.lengths_G[group.counted_G]
        if lengths_N.size == 0 or (group.scores_G[group.counted_G] < 1).any():
            return np.zeros_like(group.counted_G)
        threshold = math.floor(mean_length(lengths_N) + self.deviations * sample_std(lengths_N))
        return group.counted_G & (group.lengths_G - threshold >= self.margin)

    def check_run(self, siblings: int, cap: int | None) -> None:
        reach = (siblings - 1) / math.sqrt(siblings)
        if reach > self.deviations:
            return
        enough = next(n for n in count(2) if n - 1 > self.deviations * math.sqrt(n))
        raise UserError(
            f"dot's cut at {self.deviations:g} deviations cannot fire with {siblings} siblings, none of which can lie "
            f"more than {reach:.2f} above their mean: take at least {enough} siblings, or fewer deviations"
        )
