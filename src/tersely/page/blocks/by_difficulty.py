"""Where tokens are saved and where accuracy is lost: every model at every difficulty."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from tersely.page import figure as drawing
from tersely.page.block import Block, Options
from tersely.page.records import GAINS, TOLD, Comparison, Entry, View
from tersely.page.words import say, table


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    numbers = table("by_difficulty", view.by_difficulty)
    drawn = [e for e in view.entries if e.is_base or e.is_member or not view.line]
    saving = [e for e in drawn if e.gain("token_saving") is not None]
    if len(view.difficulties) < 2 or not saving:
        return Block("by_difficulty", numbers.title, tables=(numbers,))
    figure, (above, below) = drawing.canvas(6.2, 2, sharex=True)
    draw_by_difficulty(above, view, saving, options, ["token_saving"], 100)
    above.axhline(0, color=drawing.INK, linewidth=0.9)
    above.set(ylabel="tokens saved against the base, %", xlabel="")
    draw_by_difficulty(below, view, drawn, options, ["accuracy"], 100)
    low, high = below.get_ylim()
    below.set(ylabel="accuracy, %", ylim=(max(0.0, low), min(100.5, high)))
    drawing.legend_below(figure, below)
    return Block("by_difficulty", numbers.title, (), figure, say("difficulty.caption"), (numbers,))


def draw_by_difficulty(
    axes: Axes, view: View, drawn: Sequence[Entry], options: Options, quantity: Sequence[str], scale: int
) -> None:
    """``quantity``: its path in the summary; "token_saving" is against the base."""
    lines = []
    for entry in drawn:
        places = [entry.at(label) for label in view.difficulties]
        gained = quantity[0] in GAINS
        values = [place.gain(quantity[0]) if gained else place.overall(*quantity) for place in places]
        lines.append((entry.label, options.looks[entry.label], values))
    drawing.draw_beside(axes, view.difficulties, lines, scale)
    axes.set_xlabel("difficulty")
