"""The paper's figures 4 and 5 rest on this: evaluated checkpoints against the iteration, one curve an alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from matplotlib.ticker import MaxNLocator

from tersely.analysis import summarise
from tersely.analysis.paired import shared
from tersely.evaluation.records import Evaluation
from tersely.page.block import Block, Options
from tersely.page.columns import ACCURACY, MODEL, TOKENS
from tersely.page.figure import canvas, draw_line, from_zero, legend_below
from tersely.page.records import Comparison, Entry
from tersely.page.words import say
from tersely.records import EvalRecord
from tersely.table import Column, Table

STEP = Column("iteration", "Iteration", "whole")


@dataclass(frozen=True, slots=True)
class Curve:
    """What the same seeds of one model gave along their training, on one data set."""

    of: str
    """Label of the model, whose colour the curve has."""
    label: str
    start: Entry | None
    """Their base."""
    points: tuple[tuple[int, Entry], ...]


def block(comparison: Comparison, options: Options) -> Block | None:
    found = curves(comparison)
    if not found:
        return None
    figure, panels = canvas(5.2, 2, sharex=True)
    for axes, key, title, scale in zip(
        panels, ("accuracy", "tokens"), ("accuracy, %", "mean tokens a response"), (100.0, 1.0), strict=True
    ):
        for curve in found:
            everyone = [(0, curve.start), *curve.points]
            known = [(step, one) for step, entry in everyone if entry and (one := entry.overall(key)) is not None]
            if len(known) > 1:
                xs, values = [step for step, _ in known], [value for _, value in known]
                draw_line(axes, xs, values, options.looks[curve.of], scale, curve.label)
        from_zero(axes, title, zero=key == "tokens")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    panels[1].set_xlabel("iteration")
    legend_below(figure, panels[0])
    columns = (MODEL, STEP, TOKENS, ACCURACY)
    rows = tuple((c.label, step, TOKENS.of(e), ACCURACY.of(e)) for c in found for step, e in c.points)
    return Block("dynamics", "Training dynamics", (), figure, say("checkpoints.dynamics"),
                 (Table("dynamics", "Evaluated checkpoints", columns, rows),))  # fmt: skip


def curves(comparison: Comparison) -> list[Curve]:
    """The checkpoints that were evaluated on the data set, by model and by the seeds that they are of: a mean of three
    seeds is not joined to what one of them did."""
    dataset = comparison.datasets[0]
    found = []
    for label, group in groupby(comparison.checkpoints, key=lambda made: made.label):
        by_runs: dict[tuple[str, ...], list[tuple[int, Entry]]] = {}
        for made in group:
            if dataset in made.entries:
                entry = made.entries[dataset]
                by_runs.setdefault(tuple(r.seed for r in entry.results), []).append((made.step or 0, entry))
        whole = next((len(c.runs) for c in comparison.contenders if c.label == label), 1)
        for seeds, points in by_runs.items():
            few = f", seed {', '.join(seeds)}" if len(seeds) < whole else ""
            start = start_of(comparison, [entry for _, entry in points])
            found.append(Curve(label, label + few, start, tuple(points)))
    return found


def start_of(comparison: Comparison, entries: Sequence[Entry]) -> Entry | None:
    """The bases where a curve starts.

    A curve is often measured on fewer problems than a result: then the base is read on those same responses alone.
    """
    base = None if comparison.base is None else comparison.base.entries.get(comparison.datasets[0])
    if base is None:
        return None
    asked = {result.base_path: result.evaluation.responses() for entry in entries for result in entry.results}
    results = [
        replace(result, evaluation=_narrowed(result.evaluation, asked[result.run.path]))
        for result in base.results
        if result.run.path in asked
    ]
    return replace(base, results=tuple(results)) if results else None


def _narrowed(evaluation: Evaluation, other: Sequence[EvalRecord]) -> Evaluation:
    records = tuple(shared(evaluation.responses(), other))
    if len(records) == evaluation.summary.overall.responses or not records:
        return evaluation
    return replace(evaluation, held=records, summary=summarise(records, evaluation.protocol, phrases={}))
