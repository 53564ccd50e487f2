"""Two evaluations of the same problems side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.analysis.clusters import (
    accuracy_clusters,
    by_difficulty,
    by_problem,
    require_distinct_samples,
    token_clusters,
)
from tersely.analysis.facts import MEASURED, ProtocolFacts
from tersely.analysis.intervals import CONFIDENCE, Clusters, paired_difference, paired_ratio, paired_saving
from tersely.analysis.records import PairedBlock, PairedComparison
from tersely.analysis.strata import marked
from tersely.errors import UserError
from tersely.records import EvalRecord


def compare_paired(
    base_records: Sequence[EvalRecord],
    model_records: Sequence[EvalRecord],
    base_protocol: ProtocolFacts | None = None,
    model_protocol: ProtocolFacts | None = None,
) -> PairedComparison:
    """What the model gained and lost against the base on the same problems, overall and by difficulty.

    Different problems, different numbers of responses to one of them, or protocols that differ in anything but
    what is measured (``MEASURED``) are a UserError: such numbers would not mean what they seem to.
    """
    require_comparable(base_records, model_records, base_protocol, model_protocol)
    base_groups, model_groups = by_difficulty(base_records), by_difficulty(model_records)
    comparison = PairedComparison(
        confidence=CONFIDENCE,
        overall=_block(base_records, model_records),
        by_difficulty={label: _block(group, model_groups[label]) for label, group in base_groups.items()},
    )
    return marked(comparison, base_protocol)


def require_comparable(
    base_records: Sequence[EvalRecord],
    model_records: Sequence[EvalRecord],
    base_protocol: ProtocolFacts | None = None,
    model_protocol: ProtocolFacts | None = None,
) -> None:
    """UserError unless both sides answered the same problems equally often under one protocol."""
    require_distinct_samples(base_records)
    require_distinct_samples(model_records)
    if base_protocol is not None and model_protocol is not None:
        _require_one_protocol(base_protocol, model_protocol)
    _require_same_problems(base_records, model_records)


def judged_in_both(one: Clusters, other: Clusters) -> tuple[Clusters, Clusters]:
    """The problems that both have, in the order of the first."""
    common = [problem for problem in one if problem in other]
    return {p: one[p] for p in common}, {p: other[p] for p in common}


def shared(base: Sequence[EvalRecord], other: Sequence[EvalRecord]) -> list[EvalRecord]:
    """The base's responses to the (problem, sample) that ``other`` answered too."""
    asked = {(record.problem_id, record.sample) for record in other}
    return [record for record in base if (record.problem_id, record.sample) in asked]


def covers(base: Sequence[EvalRecord], other: Sequence[EvalRecord]) -> bool:
    """Whether the base answered everything that ``other`` did."""
    return len(shared(base, other)) == len({(record.problem_id, record.sample) for record in other})


def _block(base: Sequence[EvalRecord], model: Sequence[EvalRecord]) -> PairedBlock:
    base_right, model_right = judged_in_both(accuracy_clusters(base), accuracy_clusters(model))
    base_tokens, model_tokens = token_clusters(base), token_clusters(model)
    measurable = sum(record.tokens for record in base) > 0
    return PairedBlock(
        problems=len(base_tokens),
        accuracy_difference=paired_difference(base_right, model_right, rates=True) if base_right else None,
        token_difference=paired_difference(base_tokens, model_tokens),
        token_ratio=paired_ratio(base_tokens, model_tokens) if measurable else None,
        token_saving=paired_saving(base_tokens, model_tokens) if measurable else None,
    )


def _require_one_protocol(base: ProtocolFacts, model: ProtocolFacts) -> None:
    differing = base.differing(model, MEASURED)
    if differing:
        what = ", ".join(f"{name} {base.value(name)!r} and {model.value(name)!r}" for name in differing)
        raise UserError(f"the two evaluations used different protocols ({what}): evaluate both under the same one")


def _require_same_problems(base: Sequence[EvalRecord], model: Sequence[EvalRecord]) -> None:
    base_groups, model_groups = by_problem(base), by_problem(model)
    lonely = len(set(base_groups) ^ set(model_groups))
    if lonely:
        raise UserError(f"{lonely} problems were evaluated on one side only: evaluate both on the same task")
    for problem, group in base_groups.items():
        other = model_groups[problem]
        if len(group) != len(other):
            raise UserError(
                f"problem {problem} has {len(group)} responses on one side and {len(other)} on the other: "
                "evaluate both with the same k"
            )
        if group[0].difficulty != other[0].difficulty:
            raise UserError(f"problem {problem} has another difficulty on each side: evaluate both on the same task")
