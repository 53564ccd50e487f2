"""The parts of the pages. To add one: a file with ``block(comparison, options)`` here and a line in ``BLOCKS``."""

from collections.abc import Mapping

from tersely.page.block import Maker, each_set, once
from tersely.page.blocks import (
    ablations,
    behaviours,
    by_difficulty,
    checkpoints,
    costs,
    details,
    examples,
    findings,
    frontier,
    matched,
    overview,
    ratios,
    served,
    training,
)

BLOCKS: Mapping[str, Maker] = {
    "aggregate": once(frontier.aggregate_block),
    "frontier": each_set(frontier.block),
    "overview": each_set(overview.block),
    "served": each_set(served.block),
    "findings": once(findings.block),
    "sets": once(frontier.sets_block),
    "ratios": once(ratios.block),
    "details": each_set(details.block),
    "by_difficulty": each_set(by_difficulty.block),
    "behaviours": each_set(behaviours.block),
    "checkpoints": each_set(checkpoints.block),
    "training": once(training.block),
    "training_ablations": once(training.ablations_block),
    "ablations": once(ablations.block),
    "matched": once(matched.block),
    "costs": once(costs.block),
    "examples": each_set(examples.block),
}

REPORT = tuple(name for name in BLOCKS if name not in ("ratios", "checkpoints", "matched"))
COMPARE = tuple(name for name in BLOCKS if name != "examples")
