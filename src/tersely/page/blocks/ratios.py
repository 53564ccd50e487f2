"""Accuracy and tokens of every data set in one figure, as ratios to the base, along the family."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from tersely.page import figure as drawing
from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Role
from tersely.page.standings import Standing
from tersely.page.words import say, table


def block(comparison: Comparison, options: Options) -> Block | None:
    """With a table by data set; of one data set alone AES stands beside its ratios."""
    found, datasets = options.found, comparison.datasets
    if not found:
        return None
    family = sorted((s for s in found if s.role is Role.FAMILY and s.sets), key=lambda s: s.alpha or 0.0)
    figure = _draw(family, datasets, options.looks) if len(family) > 1 else None
    rows = [(dataset, s.label, *s.sets[dataset]) for dataset in datasets for s in found if dataset in s.sets]
    shown = table("aggregate", found) if len(datasets) == 1 else table("ratios", rows)
    caption = say("by_alpha.caption") if figure else ""
    return Block("by_alpha", "Normalised by the base, by alpha", (), figure, caption, (shown,))


def _draw(family: Sequence[Standing], datasets: Sequence[str], looks: drawing.Looks) -> Figure:
    figure, panels = drawing.canvas(4.6, 2, sharex=True)
    for place, what in enumerate(("accuracy", "tokens")):
        lines = [(d, looks[d], [s.sets[d][place] if d in s.sets else None for s in family]) for d in datasets]
        drawing.draw_beside(panels[place], [f"{s.alpha:g}" for s in family], lines, 1)
        panels[place].axhline(1.0, color=drawing.INK, linewidth=0.9)
        drawing.from_zero(panels[place], f"{what}, ratio to the base", zero=what == "tokens")
    panels[1].set_xlabel("α")
    drawing.legend_below(figure, panels[0])
    return figure
