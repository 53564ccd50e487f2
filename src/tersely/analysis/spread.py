"""How much the correct responses to one problem differ in length."""

from __future__ import annotations

import numpy as np

from tersely.analysis.intervals import Clusters, clustered_mean, clustered_rate
from tersely.analysis.records import LengthSpread


def length_spread(correct: Clusters) -> LengthSpread | None:
    """How much the correct responses to one problem differ in length, over problems with at least two of them.

    ``std_over_mean``: population standard deviation over mean; ``shortest_below_mean``: ``(mean - min) / mean``, what
    always answering like the shortest would save. Both are averaged over problems. As the paper's table 17 on the
    spread of lengths. None where no problem has two correct responses.
    """
    groups = {problem: np.asarray(values) for problem, values in correct.items() if len(values) > 1}
    if not groups:
        return None
    ratios = {problem: [float(v.std() / v.mean())] for problem, v in groups.items()}
    shortest = {problem: [float((v.mean() - v.min()) / v.mean())] for problem, v in groups.items()}
    return LengthSpread(len(groups), clustered_mean(ratios), clustered_rate(shortest))
