"""Evaluation folders against those of a base: the aggregate over a suite, and the noise floor beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tersely.analysis.aggregate import Aggregate, compare_sets, pair_records
from tersely.analysis.noise import NoiseFloor, noise_floor
from tersely.analysis.summary import require_comparable
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
        rules = [read_evaluation(side)["protocol"] for side in (folder, model[name])]
        one, other = read_responses(folder), read_responses(model[name])
        require_comparable(one, other, *rules)
        pairs.append(pair_records(name, one, other))
    try:
        return compare_sets(pairs)
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
    rules = [dict(read_evaluation(side)["protocol"]) for side in (folder, beside)]
    again = read_responses(beside)
    for one in rules:
        one.pop("seed", None)
        one.pop("repeat", None)
    require_comparable(records, again, *rules)
    return noise_floor(records, again)
