"""The paper's figure 4: evaluated checkpoints, accuracy and length against the iteration, one curve an alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.ticker import MaxNLocator

from tersely.analysis import summarise
from tersely.analysis.paired import shared
from tersely.evaluation.records import Evaluation
from tersely.page.block import Block, Options
from tersely.page.figure import canvas, draw_line, from_zero, legend_below
from tersely.page.records import Checkpoints, Comparison, Entry
from tersely.page.table import ACCURACY, MODEL, TOKENS, Cell, Column, Table
from tersely.records import EvalRecord

CAPTION = (
    "Evaluated checkpoints on held-out problems, where every seed was measured; iteration 0 is the base on the same "
    "problems. Bars are 95 % intervals."
)


def block(comparison: Comparison, options: Options) -> Block | None:
    (dataset,) = comparison.datasets
    lines = lines_on(comparison, dataset)
    if not lines:
        return None
    start = start_of(comparison, dataset)
    figure, panels = canvas(5.2, 2, sharex=True)
    for axes, key, title, scale in zip(
        panels, ("accuracy", "tokens"), ("accuracy, %", "mean tokens a response"), (100.0, 1.0), strict=True
    ):
        for line, points in lines:
            everyone = [(0, start), *points] if start is not None else points
            known = [(step, found) for step, entry in everyone if (found := entry.overall(key)) is not None]
            if len(known) > 1:
                xs, values = [step for step, _ in known], [value for _, value in known]
                draw_line(axes, xs, values, options.looks[line.label], scale, line.label)
        from_zero(axes, title, zero=key == "tokens")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    panels[1].set_xlabel("iteration")
    legend_below(figure, panels[0])
    rows: list[tuple[Cell, ...]] = [
        (line.label, step, entry.overall("tokens"), entry.overall("accuracy"))
        for line, points in lines
        for step, entry in points
    ]
    columns = (MODEL, Column("iteration", "Iteration", "whole"), TOKENS, ACCURACY)
    table = Table("dynamics", "Evaluated checkpoints", columns, tuple(rows))
    return Block("dynamics", "Training dynamics", (), figure, CAPTION, (table,))


def lines_on(comparison: Comparison, dataset: str) -> list[tuple[Checkpoints, list[tuple[int, Entry]]]]:
    """The checkpoints of each member that were evaluated on the data set, by step."""
    found = []
    for line in comparison.checkpoints:
        points = [(step, entries[dataset]) for step, entries in line.steps.items() if dataset in entries]
        found += [(line, points)] if points else []
    return found


def start_of(comparison: Comparison, dataset: str) -> Entry | None:
    """The base where the curves start.

    A curve is often measured on fewer problems than a result: then the base is read on those same responses alone.
    """
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
