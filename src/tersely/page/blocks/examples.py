"""Responses of the base and of every member to the same few problems, chosen by a rule that knows no answer."""

from tersely.page.block import Block, Options
from tersely.page.records import TOLD, Comparison
from tersely.page.words import say
from tersely.records import EvalRecord


def block(comparison: Comparison, options: Options) -> Block | None:
    view, examples = comparison.view(*TOLD), {}
    labels = view.difficulties
    for label in (labels[0], labels[len(labels) // 2], labels[-1]):
        first: dict[str, dict[str, EvalRecord]] = {}
        for entry in view.entries:
            # Problem id -> its response with the smallest sample number.
            records = sorted(entry.at(label).records(entry.first), key=lambda record: -record.sample)
            first[entry.label] = {record.problem_id: record for record in records}
        if shared := set.intersection(*map(set, first.values())):
            examples[label] = {name: found[min(shared)] for name, found in first.items()}
    return Block("examples", "The same problems, side by side", (say("examples.rule"),), examples=examples)
