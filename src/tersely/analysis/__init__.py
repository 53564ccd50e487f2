"""From evaluated responses to estimates: intervals, behaviours, summaries, the tokens-accuracy frontier.

Pure numpy and scipy; nothing here reads a file or draws.
"""

from tersely.analysis.aggregate import Aggregate, aes, aggregate_sets, mean_of_ratios
from tersely.analysis.behaviours import PHRASES, count_behaviours
from tersely.analysis.bounded import fewest_problems, loss_bound
from tersely.analysis.clusters import UNLABELLED, difficulty_order
from tersely.analysis.cutoff import cut
from tersely.analysis.facts import ProtocolFacts
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
from tersely.analysis.paired import compare_paired
from tersely.analysis.records import PairedBlock, PairedComparison, Summary, SummaryBlock
from tersely.analysis.seeds import family_steps, over_seeds
from tersely.analysis.summary import summarise

__all__ = [
    "PHRASES",
    "UNLABELLED",
    "Aggregate",
    "Dominance",
    "NoiseFloor",
    "PairedBlock",
    "PairedComparison",
    "Point",
    "ProtocolFacts",
    "Summary",
    "SummaryBlock",
    "Trend",
    "aes",
    "aggregate_sets",
    "clustered_mean",
    "clustered_rate",
    "compare_paired",
    "count_behaviours",
    "cut",
    "difficulty_order",
    "dominance",
    "family_steps",
    "fewest_problems",
    "loss_bound",
    "mean_of_ratios",
    "noise_floor",
    "over_seeds",
    "paired_difference",
    "paired_ratio",
    "paired_saving",
    "pass_at_k",
    "summarise",
    "trend",
]
