"""Several data sets in one figure, each normalised by the base, so that they can be read side by side."""

from tersely.page.block import Block, Options
from tersely.page.blocks.frontier import draw_spots
from tersely.page.figure import INK, canvas, legend_below
from tersely.page.records import Comparison, Role
from tersely.page.standings import Spot, aggregate_plane
from tersely.page.words import say
from tersely.text import shorten_line


def block(comparison: Comparison, options: Options) -> Block | None:
    found, datasets = [s for s in options.found if s.role is not Role.ABLATION], comparison.datasets
    if len(datasets) < 2 or not found:
        return None
    rows = (len(datasets) + 1) // 2
    figure, panels = canvas(0.8 + 2.3 * rows, rows, 2)
    for axes, dataset in zip(panels, datasets, strict=False):
        here = [Spot(*s.who, *s.sets[dataset]) for s in found if dataset in s.sets]
        draw_spots(axes, aggregate_plane(here, len(datasets)), options.looks)
        axes.set_title(shorten_line(dataset, 24), color=INK, style="normal", weight="bold")
        axes.set_xlabel("tokens" if dataset in datasets[-2:] else "")
        axes.set_ylabel("accuracy" if axes in panels[::2] else "")
    for axes in panels[len(datasets) :]:
        axes.axis("off")
    for name in (s.label for s in found if s.role is Role.FAMILY):
        look = options.looks[name]
        panels[0].plot([], [], linestyle="", marker=look.marker, color=look.color, label=name)
    legend_below(figure, panels[0])
    return Block("sets", "Every data set, normalised by the base", (), figure, say("sets.caption"))
