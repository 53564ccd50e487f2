"""Several data sets in one figure, each normalised by the base, so that they can be read side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.page.block import Block, Options
from tersely.page.blocks.frontier import draw_spots
from tersely.page.figure import INK, Looks, canvas, legend_below
from tersely.page.records import Comparison, Role
from tersely.page.standings import Standing, aggregate_plane, set_plane
from tersely.page.words import say
from tersely.text import shorten_line


def block(comparison: Comparison, options: Options) -> Block | None:
    return sets_block([s for s in options.found if s.role is not Role.ABLATION], comparison.datasets, options.looks)


def sets_block(found: Sequence[Standing], datasets: Sequence[str], looks: Looks, base: str = "base") -> Block | None:
    if len(datasets) < 2 or not found:
        return None
    rows = (len(datasets) + 1) // 2
    figure, panels = canvas(0.8 + 2.3 * rows, rows, 2)
    whole = aggregate_plane(found, len(datasets), base)
    for axes, dataset in zip(panels, datasets, strict=False):
        draw_spots(axes, set_plane(found, dataset, whole), looks)
        axes.set_title(shorten_line(dataset, 24), color=INK, style="normal", weight="bold")
        axes.set_xlabel("tokens" if dataset in datasets[-2:] else "")
        axes.set_ylabel("accuracy" if axes in panels[::2] else "")
    for axes in panels[len(datasets) :]:
        axes.axis("off")
    for name in (s.label for s in found if s.role is Role.FAMILY):
        panels[0].plot([], [], linestyle="", marker=looks[name].marker, color=looks[name].color, label=name)
    legend_below(figure, panels[0])
    return Block("sets", "Every data set, normalised by the base", (), figure, say("sets.caption"))
