"""Accuracy and tokens of every data set in one figure, as ratios to the base, along the family."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from tersely.page.block import Block, Options
from tersely.page.blocks.aggregate import aggregate_table
from tersely.page.columns import DATASET, MODEL
from tersely.page.figure import INK, Looks, canvas, draw_beside, from_zero, legend_below
from tersely.page.records import Comparison, Role
from tersely.page.standings import Standing
from tersely.page.words import say
from tersely.table import Column, Table

COLUMNS = (
    DATASET,
    MODEL,
    Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
    Column("token_ratio", "Tokens, ratio to the base", "ratio"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    return ratio_block(options.found, comparison.datasets, options.looks)


def ratio_block(found: Sequence[Standing], datasets: Sequence[str], looks: Looks) -> Block | None:
    if not found:
        return None
    family = sorted((s for s in found if s.role is Role.FAMILY and s.sets), key=lambda s: s.alpha or 0.0)
    figure = _draw(family, datasets, looks) if len(family) > 1 else None
    rows = tuple((dataset, s.label, *s.sets[dataset]) for dataset in datasets for s in found if dataset in s.sets)
    table = Table("ratios", "Ratios to the base by data set", COLUMNS, rows)
    tables = (table,) if len(datasets) > 1 else (aggregate_table(found, 1), table)
    return Block(
        "by_alpha", "Normalised by the base, by alpha", (), figure, say("by_alpha.caption") if figure else "", tables
    )


def _draw(family: Sequence[Standing], datasets: Sequence[str], looks: Looks) -> Figure:
    figure, panels = canvas(4.6, 2, sharex=True)
    alphas = [f"{s.alpha:g}" for s in family]
    for axes, place, what in zip(panels, (0, 1), ("accuracy", "tokens"), strict=True):
        lines = [(d, looks[d], [s.sets[d][place] if d in s.sets else None for s in family]) for d in datasets]
        draw_beside(axes, alphas, lines, 1)
        axes.axhline(1.0, color=INK, linewidth=0.9)
        from_zero(axes, f"{what}, ratio to the base", zero=what == "tokens")
    panels[1].set_xlabel("α")
    legend_below(figure, panels[0])
    return figure
