"""The paper's objective with a straight line for its f: our own second choice, published nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.methods.paper import Paper
from tersely.objective.reward import Reward, length_penalised_reward
from tersely.records import FloatArray

REACH = 2.0
"""|z| at which ``line`` saturates."""


def line(z_N: FloatArray) -> FloatArray:
    """f(z) = (clip(z, -2, 2) + 2) / 4: a straight line with hard ends. [N] -> [N] in [0, 1].

    Degenerate case: f(0) = 1/2 exactly.
    """
    return np.asarray((np.clip(z_N, -REACH, REACH) + REACH) / (2 * REACH), dtype=np.float64)


@dataclass(frozen=True)
class Linear(Paper):
    """r_i = s_i * (1 - alpha * line(z_i)), z over the correct siblings, population std.

    Our own second choice of the monotone f that Eq. 4 of arXiv 2502.04463 leaves open: the same pressure on every
    token inside two standard deviations, none beyond. Degenerate cases: see ``reward.length_penalised_reward``.
    """

    def rewards(self, group: GroupView) -> Reward:
        return length_penalised_reward(group, self.alpha, line)
