"""GR3 (arXiv 2603.10535), as far as it is known at second hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.length import mean_length
from tersely.objective.methods.base import Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class Gr3(Method):
    """r_i = s_i / (1 + alpha * l_i / mean(l)), the mean over all counted siblings.

    SECONDARY: from a reading note of arXiv 2603.10535, alpha 0.33 and 16 siblings among it; there was no code. The
    paper's calibration of advantages (a right response of average length is not to lose) is left out. No ddof.

    Degenerate cases: lengths that are all 0 pay nothing; groups without a right one teach nothing.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    alpha: float = 0.33
    """Price of length, alpha >= 0."""

    def __post_init__(self) -> None:
        settle(self, alpha=("alpha >= 0", 0.0, math.inf))

    def rewards(self, group: GroupView) -> Reward:
        mean = mean_length(group.lengths_G[group.counted_G]) if group.counted_G.any() else 0.0
        share_G = group.lengths_G / mean if mean > 0 else np.zeros_like(group.lengths_G)
        return Reward(group.scores_G / (1.0 + self.alpha * share_G))
