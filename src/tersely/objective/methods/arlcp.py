"""ARLCP: the paper's reward with a second price, of words that reflect (ZeweiYu1/ARLCP)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView, Need
from tersely.objective.length import mean_length, sample_std, sigmoid
from tersely.objective.methods.base import Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward
from tersely.records import FloatArray

EPS = 1e-6
"""Added to the std."""
WORDS = (
    "wait",
    "alternatively",
    "hold on",
    "another thought",
    "verify",
    "think again",
    "but",
    "however",
    "alternative",
    "check",
    "double-check",
    "oh",
    "hmm",
)
"""What counts as reflecting, in small or capital letters."""
_REFLECTS = re.compile(rf"\b(?:{'|'.join(map(re.escape, WORDS))})\b", re.IGNORECASE)
STEPS = ((40, 0.05), (80, 0.1), (math.inf, 0.15))
"""(at most so many reflecting words, price of them): the more a response has, the larger their share of the price."""


@dataclass(frozen=True)
class Arlcp(Method):
    """r_i = s_i * (1 - w1 * sigmoid(zR_i) - w2 * sigmoid(zl_i)); R_i counts 13 words that reflect.

    z = (x - mean) / (std + 1e-6) over the right siblings, ddof 1, of R and of the length. w1 = 0.05, 0.1 or 0.15 where
    R_i is at most 40, at most 80, or above; w2 = total - w1 with total = 0.2 (ZeweiYu1/ARLCP@d2c0a53, src/rm.py; RLOO,
    16 siblings). Words are counted in the text as it was kept, by whole words.

    Degenerate cases: a lone right response, or equal ones, have z = 0 and pay half of the total; groups without a right
    one teach nothing.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEXT})
    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    total: float = 0.2
    """Price of length and words together, 0.15 <= total < 1."""

    def __post_init__(self) -> None:
        settle(self, total=("0.15 <= total < 1 (0.15 is the largest price of words alone)", 0.15, 1.0))

    def rewards(self, group: GroupView) -> Reward:
        assert group.texts_G is not None
        words_G = np.array([len(_REFLECTS.findall(text)) for text in group.texts_G], dtype=np.float64)
        right_G = group.earning_G
        of_words_N = np.array([next(price for most, price in STEPS if words <= most) for words in words_G[right_G]])
        price_G = np.zeros_like(group.scores_G)
        price_G[right_G] = of_words_N * _share(words_G[right_G])
        price_G[right_G] += (self.total - of_words_N) * _share(group.lengths_G[right_G])
        return Reward(np.where(right_G, group.scores_G * (1.0 - price_G), 0.0))


def _share(values_N: FloatArray) -> FloatArray:
    """[N] in (0, 1), 1/2 at the mean."""
    if values_N.size == 0:
        return values_N
    return sigmoid((values_N - mean_length(values_N)) / (sample_std(values_N) + EPS))
