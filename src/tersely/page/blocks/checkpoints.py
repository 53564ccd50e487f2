"""The paper's figures 4 and 5: evaluated checkpoints against the iteration, and where they go, one curve an alpha."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tersely.analysis import summarise
from tersely.analysis.paired import shared
from tersely.evaluation.records import Evaluation
from tersely.page.block import Block, Options
from tersely.page.columns import ACCURACY, MODEL, TOKENS
from tersely.page.figure import INK, PAPER, Looks, better_arrow, canvas, draw_line, from_zero, legend_below
from tersely.page.records import Comparison, Entry
from tersely.page.words import say
from tersely.records import EvalRecord
from tersely.table import Column, Table

STEP = Column("iteration", "Iteration", "whole")


Curve = list[tuple[int, Entry]]
"""(iteration, what was measured there) of one model on one data set, from its base on."""


def block(comparison: Comparison, options: Options) -> Block | None:
    found = curves(comparison)
    if not found:
        return None
    figure, panels = canvas(9.0, 3, height_ratios=(2.6, 2.6, 3.8))
    for axes, key, title, scale in (
        (panels[0], "accuracy", "accuracy, %", 100.0),
        (panels[1], "tokens", "mean tokens a response", 1.0),
    ):
        for label, curve in found.items():
            known = [(step, one) for step, entry in curve if (one := entry.overall(key)) is not None]
            steps, values = [step for step, _ in known], [one for _, one in known]
            draw_line(axes, steps, values, options.looks[label], scale, label)
        from_zero(axes, title, zero=key == "tokens")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_xlabel("iteration")
    _trajectory(panels[2], found, options.looks)
    legend_below(figure, panels[0])
    rows = tuple((label, step, TOKENS.of(e), ACCURACY.of(e)) for label, curve in found.items() for step, e in curve)
    table = Table("checkpoints", "Evaluated checkpoints", (MODEL, STEP, TOKENS, ACCURACY), rows)
    return Block("checkpoints", "Along training", (), figure, say("checkpoints.caption"), (table,))


def _trajectory(axes: Axes, found: Mapping[str, Curve], looks: Looks) -> None:
    """From the base (diamond) over the checkpoints (hollow) to the last (filled)."""
    for label, curve in found.items():
        pairs = [(entry.overall("tokens"), entry.overall("accuracy")) for _, entry in curve]
        places = [(tokens.value, accuracy.value * 100) for tokens, accuracy in pairs if tokens and accuracy]
        look, (xs, ys) = looks[label], ([x for x, _ in places], [y for _, y in places])
        axes.plot(xs, ys, color=look.color, linestyle=look.line, linewidth=1.2, marker=look.marker, markersize=4,
                  markerfacecolor=PAPER, markeredgewidth=0.9)  # fmt: skip
        axes.plot(xs[-1:], ys[-1:], marker=look.marker, color=look.color, markersize=7.5, zorder=5)
        if curve[0][1].is_base:
            axes.plot(xs[:1], ys[:1], marker="D", color=INK, markersize=8, zorder=6)
    low, high = axes.get_ylim()
    axes.set(xlabel="mean tokens a response", ylabel="accuracy, %", title="where training goes")
    axes.set_ylim(max(0.0, low), min(100, high) + (high - low) * 0.08)
    better_arrow(axes)


def curves(comparison: Comparison) -> dict[str, Curve]:
    """Of each model the checkpoints that were evaluated on the data set; iteration 0 is their base."""
    (dataset,) = comparison.datasets
    found: dict[str, Curve] = {}
    for made in comparison.checkpoints:
        if dataset in made.entries:
            found.setdefault(made.label, []).append((made.step or 0, made.entries[dataset]))
    for points in found.values():
        start = start_of(comparison, [entry for _, entry in points])
        points[:0] = [] if start is None else [(0, start)]
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
