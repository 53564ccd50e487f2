"""Where tokens are saved and where accuracy is lost: every model at every difficulty."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from tersely.page import figure as drawing
from tersely.page.block import Block, Options
from tersely.page.figure import Looks
from tersely.page.records import TOLD, Comparison, Entry, View
from tersely.page.words import cell, say, table


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    numbers = table("by_difficulty", view.by_difficulty)
    drawn = [e for e in view.entries if e.is_base or e.is_member or not view.line]
    saving = [e for e in drawn if e.gain("token_saving") is not None]
    if len(view.difficulties) < 2 or not saving:
        return Block("by_difficulty", numbers.title, tables=(numbers,))
    figure, (above, below) = drawing.canvas(6.2, 2, sharex=True)
    draw_by_difficulty(above, view, saving, options.looks, 100, "gain", "token_saving")
    above.axhline(0, color=drawing.INK, linewidth=0.9)
    above.set(ylabel="tokens saved against the base, %", xlabel="")
    draw_by_difficulty(below, view, drawn, options.looks, 100, "overall", "accuracy")
    low, high = below.get_ylim()
    below.set(ylabel="accuracy, %", ylim=(max(0.0, low), min(100.5, high)))
    drawing.legend_below(figure, below)
    return Block("by_difficulty", numbers.title, (), figure, say("difficulty.caption"), (numbers,))


def draw_by_difficulty(axes: Axes, view: View, drawn: Sequence[Entry], looks: Looks, scale: int, *what: str) -> None:
    """``what``: the entry's method, "overall" or "gain", and what that is asked for."""
    read, lines = cell(*what), []
    for entry in drawn:
        values = [read(entry.at(label)) for label in view.difficulties]
        lines.append((entry.label, looks[entry.label], values))
    drawing.draw_beside(axes, view.difficulties, lines, scale)
    axes.set_xlabel("difficulty")
