"""The paper's figures 4 and 5: evaluated checkpoints against the iteration, and where they go, one curve an alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from tersely.records import Estimate, EvalRecord
from tersely.table import Column, Table

KEYS = ("accuracy", "tokens")
STEP = Column("iteration", "Iteration", "whole")


@dataclass(frozen=True, slots=True)
class Curve:
    """What one model gave along its training, on one data set."""

    label: str
    start: Entry | None
    """Its base."""
    points: tuple[tuple[int, Entry], ...]

    def known(self, key: str) -> tuple[list[int], list[Estimate]]:
        """(iterations, what was measured there), from the base on."""
        everyone = [*([(0, self.start)] if self.start else []), *self.points]
        pairs = [(step, found) for step, entry in everyone if (found := entry.overall(key)) is not None]
        return [step for step, _ in pairs], [value for _, value in pairs]


def block(comparison: Comparison, options: Options) -> Block | None:
    found = curves(comparison)
    if not found:
        return None
    figure, panels = canvas(9.0, 3, height_ratios=(2.6, 2.6, 3.8))
    for axes, key, title, scale in zip(
        panels, KEYS, ("accuracy, %", "mean tokens a response"), (100.0, 1.0), strict=False
    ):
        for curve in found:
            steps, values = curve.known(key)
            draw_line(axes, steps, values, options.looks[curve.label], scale, curve.label)
        from_zero(axes, title, zero=key == "tokens")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_xlabel("iteration")
    _trajectory(panels[2], found, options.looks)
    legend_below(figure, panels[0])
    rows = tuple((c.label, step, TOKENS.of(e), ACCURACY.of(e)) for c in found for step, e in c.points)
    table = Table("checkpoints", "Evaluated checkpoints", (MODEL, STEP, TOKENS, ACCURACY), rows)
    return Block("checkpoints", "Along training", (), figure, say("checkpoints.caption"), (table,))


def _trajectory(axes: Axes, found: Sequence[Curve], looks: Looks) -> None:
    """From the base (diamond) over the checkpoints (hollow) to the last (filled)."""
    for curve in found:
        (_, accuracy), (_, tokens) = (curve.known(key) for key in KEYS)
        places = [(t.value, a.value * 100) for t, a in zip(tokens, accuracy, strict=False)]
        look = looks[curve.label]
        if places:
            axes.plot(*zip(*places, strict=True), color=look.color, linestyle=look.line, linewidth=1.2, markersize=4,
                      marker=look.marker, markerfacecolor=PAPER, markeredgewidth=0.9)  # fmt: skip
            axes.plot(
                *places[-1], marker=look.marker, color=look.color, markersize=7.5, markeredgecolor=PAPER, zorder=5
            )
        if places and curve.start is not None:
            axes.plot(*places[0], marker="D", color=INK, markersize=8, zorder=6)
    low, high = axes.get_ylim()
    axes.set(xlabel="mean tokens a response", ylabel="accuracy, %", title="where training goes")
    axes.set_ylim(max(0.0, low), min(100, high) + (high - low) * 0.08)
    better_arrow(axes)


def curves(comparison: Comparison) -> list[Curve]:
    """The checkpoints of each model that were evaluated on the data set."""
    (dataset,) = comparison.datasets
    by_label: dict[str, list[tuple[int, Entry]]] = {}
    for made in comparison.checkpoints:
        if dataset in made.entries:
            by_label.setdefault(made.label, []).append((made.step or 0, made.entries[dataset]))
    return [
        Curve(label, start_of(comparison, [entry for _, entry in points]), tuple(points))
        for label, points in by_label.items()
    ]


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
