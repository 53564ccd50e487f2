"""Evaluation folders against those of a base: the aggregate over a suite, and the noise floor beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tersely.analysis.aggregate import Aggregate, aggregate_sets, pair_records
from tersely.analysis.noise import NoiseFloor, noise_floor
from tersely.analysis.paired import require_comparable
from tersely.errors import UserError
from tersely.evaluation.protocol import VARIANT
from tersely.evaluation.records import SUMMARY, read_evaluation, read_responses

REPEATED = f"{VARIANT}repeat-1"
"""Ends the name of the second evaluation of a base (``tersely evaluate BASE --repeat``)."""


def suite_aggregate(base: Mapping[str, Path], model: Mapping[str, Path]) -> Aggregate:
    """Ratios of a model to its base on every set and over all; ``base`` and ``model`` map a set to its folder.

    UserError for other sets on one side, a half-finished evaluation, another protocol or other problems, and a set of
    which the base solves nothing.
    """
    if set(base) != set(model):
        lonely = ", ".join(sorted(set(base) ^ set(model)))
        raise UserError(f"the aggregate needs the same sets on both sides, but only one has {lonely}: evaluate both")
    pairs = []
    for name, folder in base.items():
        sides = [read_evaluation(side) for side in (folder, model[name])]
        one, other = (side.responses() for side in sides)
        require_comparable(one, other, *(side.protocol for side in sides))
        pairs.append(pair_records(name, one, other))
    try:
        return aggregate_sets(pairs)
    except ValueError as error:
        raise UserError(f"no aggregate: {error}; leave that set out with --sets") from error


def read_noise(folder: Path) -> NoiseFloor | None:
    """The noise floor of an evaluation: from its repetition beside it if that is finished, else from its own k >= 2.

    None where neither is there.
    """
    records = read_responses(folder)
    beside = folder.with_name(folder.name + REPEATED)
    if not (beside / SUMMARY).is_file():
        return noise_floor(records)
    rules = [replace(read_evaluation(side).protocol, seed=None, repeat=None) for side in (folder, beside)]
    again = read_responses(beside)
    require_comparable(records, again, *rules)
    return noise_floor(records, again)
