"""The length reward of Kimi k1.5 (arXiv 2501.12599, section 2.3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.methods.base import Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, blended
from tersely.records import FloatArray


@dataclass(frozen=True)
class Kimi(Method):
    """r_i = s_i + alpha * (lam_i where right, min(0, lam_i) where wrong), lam_i = 1/2 - (l_i - min) / (max - min).

    Shortest and longest of all counted siblings, right and wrong (arXiv 2501.12599, section 2.3.3). The paper adds the
    term with a weight that it does not publish, after a time without it (a schedule of alpha). 0.4 is what the authors
    of Laser take in theirs (hkust-nlp/Laser@c9e7c4e, where a wrong answer is -0.5 and a lone response has lam of its
    raw length, which is not kept). No deviation, hence no ddof.

    Degenerate cases: equal lengths, or a lone response, have lam = 0. With alpha < 2 a right response earns more than
    1 - alpha / 2 > 0 and a wrong one at most 0. Groups without a right one learn brevity.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.SHORTER)

    alpha: float = 0.4
    """Weight of the length term, 0 <= alpha < 2."""

    def __post_init__(self) -> None:
        settle(self, alpha=("0 <= alpha < 2 (from 2 on a wrong answer can earn as much as a right one)", 0.0, 2.0))

    def rewards(self, group: GroupView) -> Reward:
        lam_G = centred_rank(group)
        return blended(group, 1.0 + self.alpha * lam_G, self.alpha * np.minimum(0.0, lam_G))


def centred_rank(group: GroupView) -> FloatArray:
    """lam: [G] from 1/2 for the shortest counted response to -1/2 for the longest, linear in length; 0 if all equal."""
    lam_G = np.zeros_like(group.lengths_G)
    lengths_N = group.lengths_G[group.counted_G]
    if lengths_N.size and lengths_N.max() > lengths_N.min():
        lam_G[group.counted_G] = 0.5 - (lengths_N - lengths_N.min()) / (lengths_N.max() - lengths_N.min())
    return lam_G
