"""Responses of the base and of every member to the same few problems, chosen by a rule that knows no answer."""

from __future__ import annotations

from dataclasses import dataclass

from tersely.analysis.clusters import label_of
from tersely.records import EvalRecord
from tersely.report.measure import View
from tersely.report.text import shorten
from tersely.terminal import visible

MOST = 2400
"""Characters of a response that are shown."""

RULE = (
    "From the easiest, the middle and the hardest difficulty the problem with the smallest content id; of each model "
    "the first seed and the first sample. The rule does not look at the responses."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One response as it stands on the page."""

    model: str
    status: str
    tokens: int
    finish: str
    extracted: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """One problem and what each model answered."""

    difficulty: str
    question: str
    answer: str
    responses: tuple[Shown, ...]


def pick_examples(view: View) -> tuple[Example, ...]:
    labels = view.difficulties
    picked = list(dict.fromkeys([labels[0], labels[len(labels) // 2], labels[-1]]))
    return tuple(example for label in picked if (example := _example(view, label)) is not None)


def _example(view: View, label: str) -> Example | None:
    first = [(entry.label, _first_samples(entry.results[0].evaluation.responses(), label)) for entry in view.entries]
    shared = sorted(set.intersection(*(set(found) for _, found in first)))
    if not shared:
        return None
    records = [(name, found[shared[0]]) for name, found in first]
    problem = records[0][1]
    return Example(
        label, visible(problem.question), visible(problem.answer), tuple(_shown(name, r) for name, r in records)
    )


def _first_samples(records: tuple[EvalRecord, ...], label: str) -> dict[str, EvalRecord]:
    """Problem id -> its response with the smallest sample number."""
    found: dict[str, EvalRecord] = {}
    for record in records:
        if label_of(record) != label:
            continue
        if record.problem_id not in found or record.sample < found[record.problem_id].sample:
            found[record.problem_id] = record
    return found


def _shown(name: str, record: EvalRecord) -> Shown:
    extracted = "no answer" if record.extracted is None else visible(shorten(record.extracted, 80))
    text = visible(shorten(record.text, MOST))
    return Shown(name, record.status.value, record.tokens, record.finish.value, extracted, text)
