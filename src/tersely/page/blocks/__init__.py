"""The parts of the pages, one a file. To add one: a file with ``block(comparison, options)`` and a line in ``BLOCKS``;
a page shows what its selection names, in that order."""

from __future__ import annotations

from collections.abc import Mapping

from tersely.page.block import Maker, each_set, once
from tersely.page.blocks import (
    ablations,
    accuracy,
    aggregate,
    behaviours,
    details,
    dynamics,
    examples,
    findings,
    frontier,
    matched,
    overview,
    payback,
    ratios,
    references,
    saving,
    seeds,
    sets,
    training,
    training_cost,
    trajectory,
)

BLOCKS: Mapping[str, Maker] = {
    "aggregate": once(aggregate.block),
    "frontier": each_set(frontier.block),
    "overview": each_set(overview.block),
    "findings": once(findings.block),
    "sets": once(sets.block),
    "ratios": once(ratios.block),
    "details": each_set(details.block),
    "saving": each_set(saving.block),
    "accuracy": each_set(accuracy.block),
    "behaviours": each_set(behaviours.block),
    "dynamics": each_set(dynamics.block),
    "trajectory": each_set(trajectory.block),
    "training": once(training.block),
    "training_ablations": once(training.ablations_block),
    "ablations": once(ablations.block),
    "matched": once(matched.block),
    "training_cost": once(training_cost.block),
    "payback": once(payback.block),
    "references": each_set(references.block),
    "seeds": each_set(seeds.block),
    "examples": each_set(examples.block),
}

REPORT = (
    "aggregate", "frontier", "overview", "findings", "sets", "saving", "accuracy", "behaviours", "training",
    "training_ablations", "ablations", "details", "seeds", "training_cost", "examples",
)  # fmt: skip
COMPARE = tuple(name for name in BLOCKS if name != "examples")
