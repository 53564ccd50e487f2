"""The paper's figures 2, 3 and 6: accuracy over tokens, the family on a dotted line, a shape for each other method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tersely.analysis import Point, dominance
from tersely.page.block import Block, Options
from tersely.page.figure import (
    GRID,
    INK,
    PAPER,
    SOFT,
    Look,
    Looks,
    bar_lengths,
    better_arrow,
    canvas,
    legend_below,
    place_labels,
)
from tersely.page.records import Comparison, Role
from tersely.page.standings import Plane, Spot, plane_of, plane_sentence
from tersely.page.table import ACCURACY, MODEL, TOKENS, Cell, Column, Table, show
from tersely.text import shorten_line

FAILED = 0.5
"""Share of the base's accuracy under which a model is no trade-off but a failure."""
SMALL = (Role.CUTOFF, Role.PROMPTED)


def block(comparison: Comparison, options: Options) -> Block | None:
    plane = plane_of(comparison, options.with_ablations)
    return plane_block(replace(plane, title="Accuracy against tokens"), options.looks)


def plane_block(plane: Plane, looks: Looks) -> Block:
    name = "plane_aggregate" if plane.normalised else "plane"
    return Block(name, plane.title, (plane_sentence(plane),), draw(plane, looks), _caption(plane), (table(plane),))


def draw(plane: Plane, looks: Looks) -> Figure:
    figure, (axes,) = canvas(4.3)
    shown = draw_spots(axes, plane, looks)
    legend_below(figure, axes)
    scale = 1.0 if plane.normalised else 100.0
    bars = [span for s in shown if not s.seeds for span in _spans(s, scale)]
    bars += [(x, y * scale, x, y * scale) for s in shown for x, y in s.seeds]
    names = [(s.tokens.value, s.accuracy.value * scale, _short(s), _ink(s, looks[s.label])) for s in shown]
    place_labels(figure, axes, names, bars)
    return figure


def draw_spots(axes: Axes, plane: Plane, looks: Looks) -> list[Spot]:
    """Everything but the names beside the marks; returns what stands in the frame."""
    scale = 1.0 if plane.normalised else 100.0
    shown = [spot for spot in plane.spots if spot not in below_view(plane)]
    named: set[str] = set()
    for spot in shown:
        # The legend names each method once; the family and the base are named beside their marks.
        label = "" if spot.role in (Role.BASE, Role.FAMILY) or spot.series in named else spot.series
        named.add(spot.series)
        _spot(axes, spot, looks[spot.label], scale, label)
    for series in {s.series for s in shown if s.role in (Role.FAMILY, *SMALL)}:
        line = sorted((s for s in shown if s.series == series), key=lambda s: (s.alpha or 0.0, s.tokens.value))
        color = SOFT if series == "family" else looks[line[0].label].color
        axes.plot([s.tokens.value for s in line], [s.accuracy.value * scale for s in line],
                  color=color, linewidth=0.8, linestyle=":", zorder=1)  # fmt: skip
    _frame(axes, shown, scale, plane.normalised)
    _desirable(axes, next((s for s in shown if s.role is Role.BASE), None), scale)
    axes.set_xlabel("tokens, ratio to the base" if plane.normalised else "mean tokens a response")
    axes.set_ylabel("accuracy, ratio to the base" if plane.normalised else "accuracy, %")
    return shown


def table(plane: Plane) -> Table:
    """Who is dominated by whom, on values and, where there are intervals, beyond them."""
    found = dominance([Point(s.label, s.tokens, s.accuracy) for s in plane.spots])
    ratio = [Column(key, f"{title}, ratio to the base", "ratio")
             for key, title in (("tokens", "Tokens"), ("accuracy", "Accuracy"))]  # fmt: skip
    columns = [MODEL, Column("role", "What it is"), *(ratio if plane.normalised else (TOKENS, ACCURACY))]
    columns.append(Column("dominated_by", "Worse on both axes than"))
    rows: list[tuple[Cell, ...]] = [
        (s.label, str(s.role), s.tokens, s.accuracy, ", ".join(d.by) or "none")
        for s, d in zip(plane.spots, found, strict=True)
    ]
    if plane.intervals:
        columns.append(Column("clearly_dominated_by", "The same beyond the intervals"))
        rows = [(*row, ", ".join(d.clearly_by) or "none") for row, d in zip(rows, found, strict=True)]
    name = "plane_aggregate" if plane.normalised else "plane"
    return Table(name, plane.title, tuple(columns), tuple(rows))


def below_view(plane: Plane) -> list[Spot]:
    """What lies far below everything else and would, drawn, squeeze the rest into a line: models that keep less than
    half the base's accuracy, in the mean or with any seed, and cutoffs and prompts well under the others.
    """
    base = next((s.accuracy.value for s in plane.spots if s.role is Role.BASE), 0.0)
    alive = [s for s in plane.spots if min([s.accuracy.value, *(y for _, y in s.seeds)]) >= FAILED * base]
    kept = [s.accuracy.value for s in alive if s.role not in SMALL]
    if not kept:
        return []
    lowest = min(kept) - max(0.1, 0.6 * (max(kept) - min(kept)))
    return [s for s in plane.spots if s not in alive or s.accuracy.value < lowest]


def _caption(plane: Plane) -> str:
    said = ["Each mark is one model, the diamond the base; the dotted line joins the family."]
    if not plane.intervals:
        said.append("The source prints no intervals, so none are drawn.")
    elif any(spot.seeds for spot in plane.spots):
        said.append("Hollow marks are single seeds, full ones their mean; bars are 95 % intervals where there are any.")
    else:
        said.append("Bars are 95 % intervals.")
    said.append("Up and to the left is better; shaded: fewer tokens than the base, and no less accurate.")
    if any(s.role is Role.BASELINE and " lr " in s.label for s in plane.spots):
        said.append("Beside a baseline stands its learning rate, beside a cutoff its limit in tokens.")
    far = [f"{s.label} ({show(s.accuracy.value, 'percent')})" for s in below_view(plane)]
    return " ".join([*said, *([f"Below the frame, by accuracy: {', '.join(far)}."] if far else [])])


def _spot(axes: Axes, spot: Spot, look: Look, scale: float, label: str) -> None:
    small = spot.role in SMALL
    for x, y in () if small else spot.seeds:
        axes.plot([x], [y * scale], linestyle="", marker=look.marker, markersize=4.2, color=look.color,
                  markerfacecolor=PAPER, markeredgewidth=0.8, zorder=3)  # fmt: skip
    axes.errorbar(
        spot.tokens.value, spot.accuracy.value * scale, xerr=bar_lengths([spot.tokens], 1),
        yerr=bar_lengths([spot.accuracy], scale), marker=look.marker, linestyle="", label=shorten_line(label, 24),
        markersize=6 if small else 8 if spot.role is Role.BASE else 7, color=look.color, markeredgecolor=PAPER,
        markeredgewidth=0.8, elinewidth=0.6 if small else 1.2, capsize=2, zorder=4 if small else 5,
    )  # fmt: skip


def _spans(spot: Spot, scale: float) -> list[tuple[float, float, float, float]]:
    """The two error bars of a point as (left, bottom, right, top) in data units."""
    x, y, tokens, accuracy = spot.tokens.value, spot.accuracy.value * scale, spot.tokens, spot.accuracy
    spans = []
    if tokens.low is not None and tokens.high is not None:
        spans.append((tokens.low, y, tokens.high, y))
    if accuracy.low is not None and accuracy.high is not None:
        spans.append((x, accuracy.low * scale, x, accuracy.high * scale))
    return spans


def _frame(axes: Axes, spots: Sequence[Spot], scale: float, normalised: bool) -> None:
    """Fitted to the marks, their bars and seeds; an axis that does not start at 0 shows where it starts."""
    ends: dict[str, list[float]] = {"tokens": [], "accuracy": []}
    for spot in spots:
        ends["tokens"] += [x for x, _ in spot.seeds if spot.role not in SMALL]
        ends["accuracy"] += [y * scale for _, y in spot.seeds if spot.role not in SMALL]
        for key, unit in (("tokens", 1.0), ("accuracy", scale)):
            one = getattr(spot, key)
            ends[key] += [end * unit for end in (one.value, one.low, one.high) if end is not None]
    left, right = min(ends["tokens"]), max(ends["tokens"])
    room = max(right - left, 0.05 * right) * 0.14
    axes.set_xlim(0 if left < 0.3 * right else left - room, right + room)
    low, high = min(ends["accuracy"]), max(ends["accuracy"])
    room = max(high - low, 0.05 * scale) * 0.12
    axes.set_ylim(max(0.0, low - room), high + room if normalised else min(100.0 + room / 2, high + room))


def _desirable(axes: Axes, base: Spot | None, scale: float) -> None:
    """Shade what is better than the base on both axes; without a base an arrow says where better is."""
    if base is None:
        return better_arrow(axes)
    (left, _), (_, top) = axes.get_xlim(), axes.get_ylim()
    axes.fill_between([left, base.tokens.value], base.accuracy.value * scale, top, color=GRID, alpha=0.45, zorder=0)
    axes.set_title("shaded: better than the base", color=SOFT, style="italic", weight="normal")
    return None


def _ink(spot: Spot, look: Look) -> str:
    """Settings without their method's name stand in its colour, so that neighbours are not mixed up."""
    return look.color if spot.role is Role.BASELINE else INK


def _short(spot: Spot) -> str:
    """What stands beside a mark; a series that the legend names keeps its setting alone."""
    bare = spot.label.removeprefix(spot.series).strip(" -:").removeprefix("lr ")
    return bare or spot.label if spot.role in (Role.BASELINE, *SMALL) else shorten_line(spot.label, 22)
