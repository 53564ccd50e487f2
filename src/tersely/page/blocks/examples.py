"""Responses of the base and of every member to the same few problems, chosen by a rule that knows no answer."""

from __future__ import annotations

from tersely.page.block import Block, Example, Options
from tersely.page.records import TOLD, Comparison, Entry, View
from tersely.page.words import say
from tersely.records import EvalRecord


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    labels = view.difficulties
    picked = dict.fromkeys([labels[0], labels[len(labels) // 2], labels[-1]])
    found = tuple(example for label in picked if (example := _example(view, label)) is not None)
    return Block("examples", "The same problems, side by side", (say("examples.rule"),), examples=found)


def _example(view: View, label: str) -> Example | None:
    first = [(entry.label, _first_samples(entry.at(label))) for entry in view.entries]
    shared = sorted(set.intersection(*(set(found) for _, found in first)))
    return Example(label, tuple((name, found[shared[0]]) for name, found in first)) if shared else None


def _first_samples(entry: Entry) -> dict[str, EvalRecord]:
    """Problem id -> its response with the smallest sample number."""
    records = sorted(entry.records(entry.results[0]), key=lambda record: -record.sample)
    return {record.problem_id: record for record in records}
