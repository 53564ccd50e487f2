"""Where tokens are saved: the share of the base's that each model saves, by difficulty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from tersely.page.block import Block, Options
from tersely.page.figure import GRID, INK, Looks, canvas, draw_line, legend_below
from tersely.page.records import Comparison, Entry, Role, View
from tersely.page.table import MODEL, SAVING, TOKENS, Column, Table
from tersely.records import Estimate
from tersely.text import shorten_line

DIFFICULTY = Column("difficulty", "Difficulty")
CAPTION = "Share of the base's tokens saved on the same problems. Bars are 95 % intervals."
TOLD = tuple(role for role in Role if role is not Role.CUTOFF)
"""A cutoff's responses are the base's."""


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    rows = tuple(
        (d, e.label, e.at(d, "tokens"), e.gain("token_saving", d)) for d in view.difficulties for e in view.entries
    )
    table = Table("saving_by_difficulty", "Tokens by difficulty", (DIFFICULTY, MODEL, TOKENS, SAVING), rows)
    drawn = [e for e in view.line or view.trained if e.gain("token_saving") is not None]
    if len(view.difficulties) < 2 or not drawn:
        return None
    figure, (axes,) = canvas(3.6)
    dodged(axes, view, drawn, options.looks, lambda e, d: e.gain("token_saving", d), 100)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.set_ylabel("tokens saved against the base, %")
    legend_below(figure, axes)
    return Block("saving_by_difficulty", "Where tokens are saved", (), figure, CAPTION, (table,))


def dodged(
    axes: Axes,
    view: View,
    entries: Sequence[Entry],
    looks: Looks,
    value: Callable[[Entry, str], Estimate | None],
    scale: float,
) -> None:
    """Estimates by difficulty, the entries side by side within each label so that intervals do not hide each other."""
    step = min(0.12, 0.72 / max(1, len(entries)))
    for i, entry in enumerate(entries):
        found = [(place, value(entry, label)) for place, label in enumerate(view.difficulties)]
        known = [(place, estimate) for place, estimate in found if estimate is not None]
        xs = [place + (i - (len(entries) - 1) / 2) * step for place, _ in known]
        if known:
            draw_line(axes, xs, [estimate for _, estimate in known], looks[entry.label], scale, entry.label)
    most = max(3, 40 // len(view.difficulties))
    axes.set_xticks(range(len(view.difficulties)), [shorten_line(label, most) for label in view.difficulties])
    axes.grid(False, axis="x")
    for place in range(1, len(view.difficulties)):
        axes.axvline(place - 0.5, color=GRID, linewidth=0.6, zorder=0)
    axes.set_xlim(-0.5, len(view.difficulties) - 0.5)
    axes.set_xlabel("difficulty")
