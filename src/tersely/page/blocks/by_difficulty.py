"""Where tokens are saved and where accuracy is lost: every model at every difficulty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from tersely.page.block import Block, Options
from tersely.page.columns import ACCURACY, CHANGE, MODEL, SAVING, TOKENS
from tersely.page.figure import INK, Looks, canvas, draw_beside, legend_below
from tersely.page.records import TOLD, Comparison, Entry, View
from tersely.page.words import say
from tersely.records import Estimate
from tersely.table import Column, tabulate

DIFFICULTY = Column("difficulty", "Difficulty")
TITLE = "Tokens and accuracy by difficulty"


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    columns = (DIFFICULTY, MODEL, TOKENS, SAVING, ACCURACY, CHANGE)
    table = tabulate("by_difficulty", TITLE, columns, view.by_difficulty)
    drawn = [e for e in view.entries if e.is_base or e.is_member or not view.line]
    saving = [e for e in drawn if e.gain("token_saving") is not None]
    if len(view.difficulties) < 2 or not saving:
        return Block("by_difficulty", TITLE, tables=(table,))
    figure, panels = canvas(6.2, 2, sharex=True)
    draw_by_difficulty(panels[0], view, saving, options.looks, lambda e: e.gain("token_saving"), 100)
    panels[0].axhline(0, color=INK, linewidth=0.9)
    panels[0].set(ylabel="tokens saved against the base, %", xlabel="")
    draw_by_difficulty(panels[1], view, drawn, options.looks, lambda e: e.overall("accuracy"), 100)
    low, high = panels[1].get_ylim()
    panels[1].set(ylabel="accuracy, %", ylim=(max(0.0, low), min(100.5, high)))
    legend_below(figure, panels[1])
    return Block("by_difficulty", TITLE, (), figure, say("difficulty.caption"), (table,))


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
