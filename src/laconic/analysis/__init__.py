"""From evaluated responses to estimates: intervals, behaviours, summaries, the tokens-accuracy frontier.

Pure numpy and scipy; nothing here reads a file or draws.
"""

from laconic.analysis.behaviours import PHRASES, count_behaviours
from laconic.analysis.cutoff import cut
from laconic.analysis.frontier import Dominance, Point, Trend, dominance, trend
from laconic.analysis.intervals import (
    clustered_mean,
    clustered_rate,
    paired_difference,
    paired_ratio,
    paired_saving,
    pass_at_k,
)
from laconic.analysis.summary import UNLABELLED, compare, difficulty_order, summarise

__all__ = [
    "PHRASES",
    "UNLABELLED",
    "Dominance",
    "Point",
    "Trend",
    "clustered_mean",
    "clustered_rate",
    "compare",
    "count_behaviours",
    "cut",
    "difficulty_order",
    "dominance",
    "paired_difference",
    "paired_ratio",
    "paired_saving",
    "pass_at_k",
    "summarise",
    "trend",
]
