"""A curve is often measured on fewer problems than a result: then the base is read on those same responses alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tersely.analysis import summarise
from tersely.evaluation.records import Evaluation
from tersely.page.records import Comparison, Entry
from tersely.records import EvalRecord


def shared(base: Sequence[EvalRecord], other: Sequence[EvalRecord]) -> list[EvalRecord]:
    """The base's responses to the (problem, sample) that ``other`` answered too."""
    asked = {(record.problem_id, record.sample) for record in other}
    return [record for record in base if (record.problem_id, record.sample) in asked]


def covers(base: Sequence[EvalRecord], other: Sequence[EvalRecord]) -> bool:
    """Whether the base answered everything that ``other`` did."""
    return len(shared(base, other)) == len({(record.problem_id, record.sample) for record in other})


def start_of(comparison: Comparison, dataset: str) -> Entry | None:
    """The base where the curves start: on the responses that the checkpoints were evaluated on."""
    base = None if comparison.base is None else comparison.base.entries.get(dataset)
    entries = [step[dataset] for line in comparison.checkpoints for step in line.steps.values() if dataset in step]
    asked = {result.base_path: result.evaluation.responses() for entry in entries for result in entry.results}
    if base is None or not entries:
        return base
    results = [
        replace(result, evaluation=_narrowed(result.evaluation, asked[result.run.path]))
        for result in base.results
        if result.run.path in asked
    ]
    return replace(base, results=tuple(results)) if results else base


def _narrowed(evaluation: Evaluation, other: Sequence[EvalRecord]) -> Evaluation:
    records = tuple(shared(evaluation.responses(), other))
    if len(records) == evaluation.summary.overall.responses or not records:
        return evaluation
    return replace(evaluation, held=records, summary=summarise(records, evaluation.protocol, phrases={}))
