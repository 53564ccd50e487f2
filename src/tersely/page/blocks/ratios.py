"""Accuracy and tokens of every data set in one figure, as ratios to the base, along the family."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from tersely.page.block import Block, Options
from tersely.page.blocks.aggregate import table as aggregate_table
from tersely.page.figure import INK, Looks, canvas, draw_line, from_zero, legend_below
from tersely.page.records import Comparison, Role
from tersely.page.standings import Standing
from tersely.page.table import MODEL, Column, Table


def block(comparison: Comparison, options: Options) -> Block | None:
    return ratio_block(options.found, comparison.datasets, options.looks)


def ratio_block(found: Sequence[Standing], datasets: Sequence[str], looks: Looks) -> Block | None:
    if not found:
        return None
    family = sorted((s for s in found if s.role is Role.FAMILY and s.sets), key=lambda s: s.alpha or 0.0)
    figure = _draw(family, datasets, looks) if len(family) > 1 else None
    caption = "Ratios to the base along the family; the line at 1 is the base." if figure else ""
    more = () if len(datasets) > 1 else (aggregate_table(found, 1),)
    return Block("by_alpha", "Normalised by the base, by alpha", (), figure, caption, (*more, _table(found, datasets)))


def _draw(family: Sequence[Standing], datasets: Sequence[str], looks: Looks) -> Figure:
    figure, panels = canvas(4.6, 2, sharex=True)
    width = 0.5 / len(datasets)
    for axes, place, what in zip(panels, (0, 1), ("accuracy", "tokens"), strict=True):
        for i, dataset in enumerate(datasets):
            members = [(x, s.sets[dataset][place]) for x, s in enumerate(family) if dataset in s.sets]
            xs = [x + (i - (len(datasets) - 1) / 2) * width for x, _ in members]
            draw_line(axes, xs, [v for _, v in members], looks[dataset], 1, dataset)
        axes.axhline(1.0, color=INK, linewidth=0.9)
        from_zero(axes, f"{what}, ratio to the base", zero=what == "tokens")
    panels[1].set_xticks(range(len(family)), [f"{s.alpha:g}" for s in family])
    panels[1].set_xlabel("α")
    legend_below(figure, panels[0])
    return figure


def _table(found: Sequence[Standing], datasets: Sequence[str]) -> Table:
    rows = tuple((dataset, s.label, *s.sets[dataset]) for dataset in datasets for s in found if dataset in s.sets)
    columns = (
        Column("dataset", "Data set"),
        MODEL,
        Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
        Column("token_ratio", "Tokens, ratio to the base", "ratio"),
    )
    return Table("ratios", "Ratios to the base by data set", columns, rows)
