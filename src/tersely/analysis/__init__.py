"""From evaluated responses to estimates: intervals, behaviours, summaries, the tokens-accuracy frontier.

Pure numpy and scipy; nothing here reads a file or draws.
"""

from tersely.analysis.aggregate import Aggregate, aes, compare_sets, mean_of_ratios
from tersely.analysis.behaviours import PHRASES, count_behaviours
from tersely.analysis.cutoff import cut
from tersely.analysis.frontier import Dominance, Point, Trend, dominance, trend
from tersely.analysis.intervals import (
    clustered_mean,
    clustered_rate,
    paired_difference,
    paired_ratio,
    paired_saving,
    pass_at_k,
)
from tersely.analysis.noise import NoiseFloor, noise_floor
from tersely.analysis.summary import UNLABELLED, compare, difficulty_order, summarise

__all__ = [
    "PHRASES",
    "UNLABELLED",
    "Aggregate",
    "Dominance",
    "NoiseFloor",
    "Point",
    "Trend",
    "aes",
    "clustered_mean",
    "clustered_rate",
    "compare",
    "compare_sets",
    "count_behaviours",
    "cut",
    "difficulty_order",
    "dominance",
    "mean_of_ratios",
    "noise_floor",
    "paired_difference",
    "paired_ratio",
    "paired_saving",
    "pass_at_k",
    "summarise",
    "trend",
]
