"""Accuracy by difficulty."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.blocks.saving import DIFFICULTY, draw_by_difficulty
from tersely.page.columns import ACCURACY, CHANGE, MODEL
from tersely.page.figure import canvas, legend_below
from tersely.page.records import TOLD, Comparison
from tersely.page.words import say
from tersely.table import tabulate

TITLE = "Accuracy by difficulty"


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    table = tabulate("accuracy_by_difficulty", TITLE, (DIFFICULTY, MODEL, ACCURACY, CHANGE), view.by_difficulty)
    drawn = [e for e in view.entries if e.is_base or e.is_member or not view.line]
    figure, (axes,) = canvas(3.6)
    draw_by_difficulty(axes, view, drawn, options.looks, lambda e: e.overall("accuracy"), 100)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), min(100.5, axes.get_ylim()[1]))
    axes.set_ylabel("accuracy, %")
    legend_below(figure, axes)
    return Block("accuracy_by_difficulty", TITLE, (), figure, say("difficulty.accuracy"), (table,))
