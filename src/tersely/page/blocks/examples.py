"""Responses of the base and of every member to the same few problems, chosen by a rule that knows no answer."""

from __future__ import annotations

from tersely.analysis.clusters import label_of
from tersely.page.block import Block, Example, Options, Shown
from tersely.page.blocks.saving import TOLD
from tersely.page.records import Comparison, Entry, View
from tersely.records import EvalRecord
from tersely.terminal import visible
from tersely.text import shorten

MOST = 2400
"""Characters of a response that are shown."""
RULE = (
    "From the easiest, the middle and the hardest difficulty the problem with the smallest content id; of each model "
    "the first seed and the first sample. The rule does not look at the responses."
)


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    labels = view.difficulties
    picked = dict.fromkeys([labels[0], labels[len(labels) // 2], labels[-1]])
    found = tuple(example for label in picked if (example := _example(view, label)) is not None)
    return Block("examples", "The same problems, side by side", (RULE,), examples=found)


def _example(view: View, label: str) -> Example | None:
    first = [(entry.label, _first_samples(entry, label)) for entry in view.entries]
    shared = sorted(set.intersection(*(set(found) for _, found in first)))
    if not shared:
        return None
    records = [(name, found[shared[0]]) for name, found in first]
    problem = records[0][1]
    shown = tuple(_shown(name, record) for name, record in records)
    return Example(label, visible(problem.question), visible(problem.answer), shown)


def _first_samples(entry: Entry, label: str) -> dict[str, EvalRecord]:
    """Problem id -> its response with the smallest sample number."""
    records = sorted(entry.results[0].evaluation.responses(), key=lambda record: -record.sample)
    return {record.problem_id: record for record in records if label_of(record) == label}


def _shown(name: str, record: EvalRecord) -> Shown:
    text = visible(shorten(record.text, MOST))
    return Shown(name, record.status.value, record.tokens, record.finish.value, text)
