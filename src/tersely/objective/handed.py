"""Rewards for engines that subtract a baseline of their own: those from which their baseline makes our advantages.

``_N``: the rows of a flat batch, ``_G``: the siblings of one prompt.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from enum import StrEnum

import numpy as np

from tersely.errors import UserError
from tersely.objective.flat import FlatCredit
from tersely.records import FloatArray

ROUNDING = 1e-9
"""Largest sum of a group's advantages, beside the largest of them, that is still rounding."""


class Baseline(StrEnum):
    """What an engine takes away from each reward of a group."""

    MEAN = "mean"
    """The mean over the counted rows (TRL, with scale_rewards="none")."""
    RLOO = "rloo"
    """The mean of all other rows, uncounted ones among them (OpenRLHF)."""


def handed(credit: FlatCredit, places: Mapping[Hashable, Sequence[int]], baseline: Baseline) -> FloatArray:
    """[N] rewards R' whose baseline gives our advantages A; where that is RLOO over judged rows, R' is our reward R.

    MEAN: R' = A + m, so that R' - mean(R') = A, with m the mean of R over the group's counted rows. RLOO over n rows:
    R' = A (n - 1) / n + m, as n / (n - 1) (R' - mean(R')) = A. Both need that the A of a group sum to 0. ``places`` are
    the rows of each group (``flat.places_of``). UserError where they do not: no reward could stand for them.
    """
    rewards_N = np.zeros_like(credit.rewards_N)
    for group, rows in places.items():
        at = np.array(rows, dtype=np.intp)
        advantages_G, counted_G = credit.advantages_N[at], credit.counted_N[at]
        if abs(advantages_G.sum()) > ROUNDING * max(1.0, float(np.abs(advantages_G).max())):
            raise UserError(
                f"the advantages of group {group!r} sum to {advantages_G.sum():.3g}, and an engine that takes the "
                "group's mean away can only be handed advantages that sum to 0: use normalize = none or group"
            )
        share = (len(rows) - 1) / len(rows) if baseline is Baseline.RLOO else 1.0
        middle = float(credit.rewards_N[at][counted_G].mean()) if counted_G.any() else 0.0
        rewards_N[at] = advantages_G * share + middle
    return rewards_N
