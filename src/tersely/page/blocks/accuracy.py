"""Accuracy by difficulty."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.blocks.saving import DIFFICULTY, TOLD, dodged
from tersely.page.figure import canvas, legend_below
from tersely.page.records import Comparison
from tersely.page.table import ACCURACY, CHANGE, MODEL, Table

CAPTION = "Share of right answers; a truncated response is never right. Bars are 95 % intervals."


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    rows = tuple(
        (d, e.label, e.at(d, "accuracy"), e.gain("accuracy_difference", d))
        for d in view.difficulties
        for e in view.entries
    )
    table = Table("accuracy_by_difficulty", "Accuracy by difficulty", (DIFFICULTY, MODEL, ACCURACY, CHANGE), rows)
    drawn = [*([view.base] if view.base else []), *(view.line or view.trained)]
    figure, (axes,) = canvas(3.6)
    dodged(axes, view, drawn, options.looks, lambda e, d: e.at(d, "accuracy"), 100)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), min(100.5, axes.get_ylim()[1]))
    axes.set_ylabel("accuracy, %")
    legend_below(figure, axes)
    return Block("accuracy_by_difficulty", "Accuracy by difficulty", (), figure, CAPTION, (table,))
