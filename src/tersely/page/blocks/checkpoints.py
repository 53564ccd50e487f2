"""The paper's figures 4 and 5: evaluated checkpoints against the iteration, and where they go, one curve an alpha."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tersely.analysis import summarise
from tersely.analysis.paired import shared
from tersely.page import figure as drawing
from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Entry
from tersely.page.words import say, table

Curve = list[tuple[int, Entry]]
"""(iteration, what was measured there) of one model on one data set, from its base on."""


def block(comparison: Comparison, options: Options) -> Block | None:
    found = curves(comparison)
    if not found:
        return None
    figure, panels = drawing.canvas(9.0, 3, height_ratios=(2.6, 2.6, 3.8))
    _along(panels[0], found, options.looks, "accuracy", "accuracy, %", 100)
    _along(panels[1], found, options.looks, "tokens", "mean tokens a response", 1)
    _trajectory(panels[2], found, options.looks)
    drawing.legend_below(figure, panels[0])
    points = [(label, step, entry) for label, curve in found.items() for step, entry in curve]
    rows = [(label, step, entry.overall("tokens"), entry.overall("accuracy")) for label, step, entry in points]
    return Block("checkpoints", "Along training", (), figure, say("checkpoints.caption"), (table("checkpoints", rows),))


def _along(axes: Axes, found: Mapping[str, Curve], looks: drawing.Looks, key: str, title: str, scale: int) -> None:
    """A quantity against the iteration."""
    for label, curve in found.items():
        known = [(step, one) for step, entry in curve if (one := entry.overall(key)) is not None]
        drawing.draw_line(axes, [step for step, _ in known], [one for _, one in known], looks[label], scale, label)
    drawing.from_zero(axes, title, zero=key == "tokens")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("iteration")


def _trajectory(axes: Axes, found: Mapping[str, Curve], looks: drawing.Looks) -> None:
    """From the base (diamond) over the checkpoints (hollow) to the last (filled)."""
    for label, curve in found.items():
        pairs = [(entry.overall("tokens"), entry.overall("accuracy")) for _, entry in curve]
        places = [(tokens.value, accuracy.value * 100) for tokens, accuracy in pairs if tokens and accuracy]
        look, (xs, ys) = looks[label], ([x for x, _ in places], [y for _, y in places])
        axes.plot(xs, ys, color=look.color, linestyle=look.line, linewidth=1.2, marker=look.marker, markersize=4,
                  markerfacecolor=drawing.PAPER, markeredgewidth=0.9)  # fmt: skip
        axes.plot(xs[-1:], ys[-1:], marker=look.marker, color=look.color, markersize=7.5, zorder=5)
        if curve[0][1].is_base:
            axes.plot(xs[:1], ys[:1], marker="D", color=drawing.INK, markersize=8, zorder=6)
    low, high = axes.get_ylim()
    axes.set(xlabel="mean tokens a response", ylabel="accuracy, %", title="where training goes")
    axes.set_ylim(max(0.0, low), min(100, high) + (high - low) * 0.08)
    drawing.better_arrow(axes)


def curves(comparison: Comparison) -> dict[str, Curve]:
    """Of each model the checkpoints that were evaluated on the data set; iteration 0 is their base."""
    (dataset,) = comparison.datasets
    found: dict[str, Curve] = {}
    for made in comparison.checkpoints:
        if dataset in made.entries:
            found.setdefault(made.label, []).append((made.step or 0, made.entries[dataset]))
    if comparison.base is not None and dataset in comparison.base.entries:
        for curve in found.values():
            curve[:0] = _start(comparison.base.entries[dataset], [entry for _, entry in curve])
    return found


def _start(base: Entry, entries: Sequence[Entry]) -> Curve:
    """The bases where a curve starts, read on the curve's responses alone: it is often measured on fewer problems."""
    asked = {result.base_path: result.evaluation.responses() for entry in entries for result in entry.results}
    results = []
    for result in (result for result in base.results if result.run.path in asked):
        whole = result.evaluation
        records = tuple(shared(whole.responses(), asked[result.run.path]))
        if records and len(records) < whole.summary.overall.responses:
            summary = summarise(records, whole.protocol, phrases={})
            result = replace(result, evaluation=replace(whole, held=records, summary=summary))
        results.append(result)
    return [(0, replace(base, results=tuple(results)))] if results else []
