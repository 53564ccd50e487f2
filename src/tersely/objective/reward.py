"""The reward of one group: worth first, length second (arXiv 2502.04463, Eq. 4).

``_G``: siblings, all responses to one problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.length import Squash, z_scores
from tersely.records import FloatArray


@dataclass(frozen=True, slots=True)
class Reward:
    """The rewards of a group and what they are made of.

    Example: alpha 0.1, one correct of two:
    ``Reward([0.95, 0.0], {"accuracy": [1.0, 0.0], "penalty": [0.05, 0.0]})``
    """

    rewards_G: FloatArray
    """[G] finite, of either sign; what stands in rows that are not counted is replaced by 0."""
    parts: Mapping[str, FloatArray] = field(default_factory=dict)
    """Named parts, each [G], for those who want to look; may be empty."""


def length_penalised_reward(group: GroupView, alpha: float, squash: Squash) -> Reward:
    """r_i = s_i * (1 - alpha * f(z_i)), z over the counted siblings with s > 0 (arXiv 2502.04463, Eq. 4-5).

    s is the score, the paper's 1{correct}; f is ``squash``. Parts: "accuracy" s_i and "penalty" s_i * alpha * f(z_i),
    whose difference the reward is. With 0 <= alpha < 1 and f in [0, 1] every correct response earns at least
    1 - alpha > 0, a wrong one 0.

    Degenerate cases: nothing correct gives all 0; a lone correct response, or correct ones of equal length, have
    z = 0 and earn 1 - alpha / 2 where f(0) = 1/2. Rows that are not counted get 0 and touch nothing.
    """
    earning_G = group.earning_G
    accuracy_G = np.where(earning_G, group.scores_G, 0.0)
    penalty_G = np.zeros_like(accuracy_G)
    penalty_G[earning_G] = accuracy_G[earning_G] * (alpha * squash(z_scores(group.lengths_G[earning_G])))
    return Reward(accuracy_G - penalty_G, {"accuracy": accuracy_G, "penalty": penalty_G})


def blended(group: GroupView, right_G: FloatArray, wrong_G: FloatArray | float) -> Reward:
    """r_i = s_i * right_i + (1 - s_i) * wrong_i: what a right and a wrong response of that length earn, by the score.

    For methods that are published for right and wrong alone: those are s = 1 and s = 0, bit for bit. ``right_G`` and
    ``wrong_G`` must be finite in every counted row, whatever its score.
    """
    return Reward(group.scores_G * right_G + (1.0 - group.scores_G) * wrong_G)
