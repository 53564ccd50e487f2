"""The reward of one group: correctness first, length second (arXiv 2502.04463, Eq. 4).

``_G``: siblings, all responses to one problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tersely.objective.length import Penalty, z_scores
from tersely.records import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward and what it is made of; ``rewards_G == accuracy_G - penalty_G``.

    Example: alpha 0.1, one correct of two: ``Reward([0.95, 0.0], accuracy_G=[1.0, 0.0], penalty_G=[0.05, 0.0])``
    """

    rewards_G: FloatArray
    """[G] in [0, 1]."""
    accuracy_G: FloatArray
    """[G] 1 where correct and counted, else 0."""
    penalty_G: FloatArray
    """[G] alpha * f(z) where correct and counted, else 0."""


def length_penalised_reward(
    correct_G: BoolArray, lengths_G: FloatArray, counted_G: BoolArray, alpha: float, penalty: Penalty
) -> Reward:
    """r_i = 1{correct_i} * (1 - alpha * f(z_i)), z over the correct and counted siblings (arXiv 2502.04463, Eq. 4-5).

    With 0 <= alpha < 1 and f in [0, 1] every correct response earns at least 1 - alpha > 0, a wrong one 0.

    Degenerate cases: nothing correct gives all 0; a lone correct response, or correct ones of equal length, have
    z = 0 and earn 1 - alpha / 2 (both penalties have f(0) = 1/2). Rows that are not counted get 0 and touch nothing.
    """
    earning_G = correct_G & counted_G
    accuracy_G = earning_G.astype(np.float64)
    penalty_G = np.zeros_like(accuracy_G)
    penalty_G[earning_G] = alpha * penalty(z_scores(lengths_G[earning_G]))
    return Reward(accuracy_G - penalty_G, accuracy_G, penalty_G)
