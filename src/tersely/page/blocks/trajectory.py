"""The paper's figure 5: where training goes in the plane of tokens and accuracy, one line an alpha."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.blocks.dynamics import curves
from tersely.page.figure import INK, PAPER, better_arrow, canvas, legend_below
from tersely.page.records import Comparison
from tersely.page.words import say


def block(comparison: Comparison, options: Options) -> Block | None:
    found = curves(comparison)
    if not found:
        return None
    figure, (axes,) = canvas(4.0)
    for curve in found:
        entries = [entry for entry in (curve.start, *(entry for _, entry in curve.points)) if entry is not None]
        pairs = [(entry.overall("tokens"), entry.overall("accuracy")) for entry in entries]
        known = [(tokens.value, accuracy.value * 100) for tokens, accuracy in pairs if tokens and accuracy]
        look = options.looks[curve.of]
        if len(known) > 1:
            axes.plot(*zip(*known, strict=True), color=look.color, linestyle=look.line, linewidth=1.2, markersize=4,
                      marker=look.marker, markerfacecolor=PAPER, markeredgewidth=0.9, label=curve.label)  # fmt: skip
            axes.plot(*known[-1], marker=look.marker, color=look.color, markersize=7.5, markeredgecolor=PAPER, zorder=5)
        if curve.start is not None and known:
            axes.plot(*known[0], marker="D", color=INK, markersize=8, zorder=6)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(100, high) + (high - low) * 0.08)
    axes.set_xlabel("mean tokens a response")
    axes.set_ylabel("accuracy, %")
    better_arrow(axes)
    legend_below(figure, axes)
    return Block("trajectory", "Where training goes", (), figure, say("checkpoints.trajectory"))
