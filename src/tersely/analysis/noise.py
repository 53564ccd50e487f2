"""The noise floor: how far two measurements of the *same* model lie apart under one protocol.

Differences to a base mean nothing below it. It is measured on the base's own responses: two evaluations with different
seeds, or, where there is only one of k >= 2 responses, its two halves. Either way both sides have the same weights and
problems, so that all the spread of the paired differences is that of sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.analysis.intervals import Clusters, paired_difference, paired_saving
from tersely.analysis.paired import judged_in_both
from tersely.records import Estimate, EvalRecord

TWO_SEEDS = "two evaluations with different seeds"
TWO_HALVES = "two halves of the base's own responses, scaled to all of them"


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What asking the same model twice gives."""

    source: str
    accuracy_difference: Estimate | None
    """Second side minus the first, paired by problem: 0 but for noise."""
    token_saving: Estimate | None
    accuracy_reach: float | None
    """Half of the 95 % interval for k responses a side: a smaller difference of accuracies is within the noise."""
    saving_reach: float | None


def noise_floor(records: Sequence[EvalRecord], repeat: Sequence[EvalRecord] | None = None) -> NoiseFloor | None:
    """Of a base's responses, and those of its repetition if there is one.

    None where neither a repetition nor two responses a problem are there. Halves are the samples of even and of odd
    number, ``a`` and ``b`` of them; their differences spread more than those of k = a + b a side would, by
    ``sqrt((1/a + 1/b) / (2/k))``, which the reach takes back. A repetition on other problems is a ValueError.
    """
    if repeat is not None:
        return _floor(TWO_SEEDS, records, repeat, 1.0)
    first = [r for r in records if r.sample % 2 == 0]
    second = [r for r in records if r.sample % 2 == 1]
    common = {r.problem_id for r in first} & {r.problem_id for r in second}
    if not common:
        return None
    a, b = (len({r.sample for r in side}) for side in (first, second))
    scale = math.sqrt((2 / (a + b)) / (1 / a + 1 / b))
    first, second = ([r for r in side if r.problem_id in common] for side in (first, second))
    return _floor(TWO_HALVES, first, second, scale)


def _floor(source: str, one: Sequence[EvalRecord], other: Sequence[EvalRecord], scale: float) -> NoiseFloor:
    if {r.problem_id for r in one} != {r.problem_id for r in other}:
        raise ValueError("a noise floor needs the same problems on both sides")
    right = judged_in_both(accuracy_clusters(one), accuracy_clusters(other))
    accuracy = paired_difference(*right, rates=True) if right[0] else None
    spent = any(r.tokens for r in one)
    saving = paired_saving(token_clusters(one), token_clusters(other)) if spent else None
    # The bounds of rates do not shrink with the differences, so these are scaled first.
    calmer = paired_difference(*_scaled(*right, scale), rates=True) if right[0] else None
    return NoiseFloor(source, accuracy, saving, _reach(calmer, 1.0), _reach(saving, scale))


def _scaled(one: Clusters, other: Clusters, scale: float) -> tuple[Clusters, Clusters]:
    """Problem means of which the differences are ``scale`` times as large."""
    means = {p: (math.fsum(one[p]) / len(one[p]), math.fsum(other[p]) / len(other[p])) for p in one}
    return {p: [a] for p, (a, _) in means.items()}, {p: [a + scale * (b - a)] for p, (a, b) in means.items()}


def _reach(estimate: Estimate | None, scale: float) -> float | None:
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    return scale * (estimate.high - estimate.low) / 2
