"""The paper's figure 5: where training goes in the plane of tokens and accuracy, one line an alpha."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.blocks.dynamics import lines_on, start_of
from tersely.page.figure import INK, PAPER, better_arrow, canvas, legend_below
from tersely.page.records import Comparison, Entry

CAPTION = (
    "One line an alpha, from the base (diamond) over the evaluated checkpoints (hollow) to the last (filled), on the "
    "same problems. The numbers are those of the training dynamics, where the intervals stand."
)


def block(comparison: Comparison, options: Options) -> Block | None:
    (dataset,) = comparison.datasets
    lines = lines_on(comparison, dataset)
    if not lines:
        return None
    start = _places([start_of(comparison, dataset)])
    figure, (axes,) = canvas(4.0)
    for line, points in lines:
        known, look = start + _places([entry for _, entry in points]), options.looks[line.label]
        if len(known) < 2:
            continue
        axes.plot(*zip(*known, strict=True), color=look.color, linestyle=look.line, linewidth=1.2, marker=look.marker,
                  markersize=4, markerfacecolor=PAPER, markeredgewidth=0.9, label=line.label)  # fmt: skip
        axes.plot(*known[-1], linestyle="", marker=look.marker, color=look.color, markersize=7.5,
                  markeredgecolor=PAPER, markeredgewidth=0.6, zorder=5)  # fmt: skip
    for place in start:
        axes.plot(*place, linestyle="", marker="D", color=INK, markersize=8, zorder=6)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(100, high) + (high - low) * 0.08)
    axes.set_xlabel("mean tokens a response")
    axes.set_ylabel("accuracy, %")
    better_arrow(axes)
    legend_below(figure, axes)
    return Block("trajectory", "Where training goes", (), figure, CAPTION)


def _places(entries: list[Entry] | list[Entry | None]) -> list[tuple[float, float]]:
    found = [(e.overall("tokens"), e.overall("accuracy")) for e in entries if e is not None]
    return [(t.value, a.value * 100) for t, a in found if t is not None and a is not None]
