"""Where tokens are saved: the share of the base's that each model saves, by difficulty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from tersely.page.block import Block, Options
from tersely.page.columns import MODEL, SAVING, TOKENS
from tersely.page.figure import INK, Looks, canvas, draw_beside, legend_below
from tersely.page.records import TOLD, Comparison, Entry, View
from tersely.page.words import say
from tersely.records import Estimate
from tersely.table import Column, tabulate

DIFFICULTY = Column("difficulty", "Difficulty")


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    columns = (DIFFICULTY, MODEL, TOKENS, SAVING)
    table = tabulate("saving_by_difficulty", "Tokens by difficulty", columns, view.by_difficulty)
    drawn = [e for e in view.line or view.entries if e.gain("token_saving") is not None]
    if len(view.difficulties) < 2 or not drawn:
        return None
    figure, (axes,) = canvas(3.6)
    draw_by_difficulty(axes, view, drawn, options.looks, lambda e: e.gain("token_saving"), 100)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.set_ylabel("tokens saved against the base, %")
    legend_below(figure, axes)
    return Block("saving_by_difficulty", "Where tokens are saved", (), figure, say("difficulty.saving"), (table,))


def draw_by_difficulty(
    axes: Axes,
    view: View,
    entries: Sequence[Entry],
    looks: Looks,
    value: Callable[[Entry], Estimate | None],
    scale: float,
) -> None:
    lines = [(e.label, looks[e.label], [value(e.at(label)) for label in view.difficulties]) for e in entries]
    draw_beside(axes, view.difficulties, lines, scale)
    axes.set_xlabel("difficulty")
