"""GRPO-LEAD: a price of length, an explicit price of being wrong, and more weight on hard problems (2504.09696)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.length import mean_length, sample_std
from tersely.objective.methods.base import Method, price_of_length, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended
from tersely.records import FloatArray

EPS = 1e-6
"""Added to the std."""
SHORTEST = 3
"""How many of the shortest responses the gate looks at."""


@dataclass(frozen=True)
class GrpoLead(Method):
    """r_i = exp(-alpha * z_i) where right, -1 where wrong; advantages times w(p).

    w(p) = 0.4 + 1.1 / (1 + exp(10 (p - 0.75))), p the share of right ones for advantages above 0, and 1 - p for others.
    z_i = (l_i - mean) / (std + 1e-6) over the right siblings, ddof 1. Where the three shortest responses, right or
    wrong, have a mean of at most ``gate`` tokens, right responses earn 1. aeroplanepaper/GRPO-LEAD@9344bef
    (verl/trainer/main_ppo.py, ppo/core_algos.py); its advantages are (r - mean) / (std + 1e-6), ddof 1, 8 siblings:
    ``advantage="mean"``, ``normalize="group"`` (with ddof 0 here). Its 0 for a response in the wrong format is a wrong
    one's -1 here.

    Degenerate cases: a lone right response, or equal lengths, have z = 0; fewer than three responses are all looked
    at by the gate; groups without a right one teach nothing.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    alpha: float = 0.05
    """Price of length, 0 <= alpha < 1."""
    gate: float = 4000.0
    """Tokens up to which there is no price; 0 charges always."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", price_of_length(self.alpha))
        settle(self, gate=("gate >= 0 tokens", 0.0, math.inf))

    def rewards(self, group: GroupView) -> Reward:
        right_G = np.ones_like(group.scores_G)
        lengths_N = group.lengths_G[group.earning_G]
        shortest = np.sort(group.lengths_G[group.counted_G])[:SHORTEST]
        if lengths_N.size and mean_length(shortest) > self.gate:
            std = sample_std(lengths_N) if lengths_N.size > 1 else 1.0
            z_N = (lengths_N - mean_length(lengths_N)) / (std + EPS)
            right_G[group.earning_G] = np.exp(-self.alpha * z_N)
        return blended(group, right_G, -1.0)

    def reweigh(self, group: GroupView, advantages_G: FloatArray) -> FloatArray:
        counted = int(group.counted_G.sum())
        if not counted:
            return advantages_G
        p = int(group.earning_G.sum()) / counted
        return advantages_G * np.where(advantages_G > 0, _weight(p), _weight(1.0 - p))


def _weight(p: float) -> float:
    return 0.4 + 1.1 / (1.0 + math.exp(10.0 * (p - 0.75)))
