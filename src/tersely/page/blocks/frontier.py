"""The paper's figures 2, 3 and 6: accuracy over tokens, the family on a dotted line, a shape for each other method."""

from dataclasses import replace

from matplotlib.axes import Axes

from tersely.page import figure as drawing
from tersely.page.block import Block, Options
from tersely.page.blocks.overview import pick
from tersely.page.figure import GRID, INK, PAPER, SOFT, Look, Looks
from tersely.page.records import Comparison, Role
from tersely.page.standings import Plane, Spot, aggregate_plane, hidden, plane_of, plane_sentence
from tersely.page.words import columns, say, table
from tersely.table import Table, show, tabulate
from tersely.text import shorten_line

FAILED = 0.5
"""Share of the base's accuracy under which a model is no trade-off but a failure."""
SMALL = (Role.CUTOFF, Role.PROMPTED)


def block(comparison: Comparison, options: Options) -> Block | None:
    return plane_block(plane_of(comparison, options.with_ablations), options.looks)


def aggregate_block(comparison: Comparison, options: Options, picked: tuple[int, ...] | None = None) -> Block | None:
    """The mean ratios to the base, as the paper aggregates; ``picked``: first-screen rows, where others than usual."""
    count = len(comparison.datasets)
    main = [s for s in options.found if s.role not in hidden(comparison, options.with_ablations)]
    if not main or count < 2:
        return None
    made = plane_block(aggregate_plane(main, count), options.looks)
    picked = picked or pick(comparison, main, options)
    ratios = replace(table("aggregate", main, picked), title=f"Mean of the ratios over {count} data sets")
    return replace(made, tables=(ratios, *made.tables))


def sets_block(comparison: Comparison, options: Options) -> Block | None:
    """Each data set normalised by the base, side by side."""
    found, datasets = [s for s in options.found if s.role is not Role.ABLATION], comparison.datasets
    if len(datasets) < 2 or not found:
        return None
    rows = (len(datasets) + 1) // 2
    figure, panels = drawing.canvas(0.8 + 2.3 * rows, rows, 2)
    for axes, dataset in zip(panels, datasets, strict=False):
        here = [Spot(*s.who, *s.sets[dataset]) for s in found if dataset in s.sets]
        draw_spots(axes, aggregate_plane(here, len(datasets)), options.looks)
        axes.set_title(shorten_line(dataset, 24), color=INK, style="normal", weight="bold")
        axes.set_xlabel("tokens" if dataset in datasets[-2:] else "")
        axes.set_ylabel("accuracy" if axes in panels[::2] else "")
    for axes in panels[len(datasets) :]:
        axes.axis("off")
    for name in (s.label for s in found if s.role is Role.FAMILY):
        look = options.looks[name]
        panels[0].plot([], [], linestyle="", marker=look.marker, color=look.color, label=name)
    drawing.legend_below(figure, panels[0])
    return Block("sets", "Every data set, normalised by the base", (), figure, say("sets.caption"))


def plane_block(plane: Plane, looks: Looks) -> Block:
    figure, (axes,) = drawing.canvas(4.3)
    shown = draw_spots(axes, plane, looks)
    drawing.legend_below(figure, axes)
    # Settings without their method's name stand in its colour, so that neighbours are not mixed up.
    inks = [looks[s.label].color if s.role in (Role.BASELINE, Role.PROMPTED) else INK for s in shown]
    places = [(s.tokens.value, s.accuracy.value * plane.scale, _short(s)) for s in shown]
    drawing.place_labels(figure, axes, [(*place, ink) for place, ink in zip(places, inks, strict=True)])
    return Block(plane.name, plane.title, (plane_sentence(plane),), figure, _caption(plane), (_numbers(plane),))


def draw_spots(axes: Axes, plane: Plane, looks: Looks) -> list[Spot]:
    """Everything but the names beside the marks; returns what stands in the frame."""
    far = below_view(plane)
    shown = [spot for spot in plane.spots if spot not in far]
    named: set[str] = set()
    for spot in shown:
        # The legend names each method once; the family and the base are named beside their marks.
        label = "" if spot.role in (Role.BASE, Role.FAMILY) or spot.series in named else spot.series
        named.add(spot.series)
        _spot(axes, spot, looks[spot.label], plane.scale, label)
    for series in {s.series for s in shown if s.role in (Role.FAMILY, Role.EFFORT, *SMALL)}:
        line = sorted((s for s in shown if s.series == series), key=lambda s: (s.alpha or 0.0, s.tokens.value))
        xs, ys = [s.tokens.value for s in line], [s.accuracy.value * plane.scale for s in line]
        color, name = (SOFT, "the family, by α") if series == "family" else (looks[line[0].label].color, "")
        axes.plot(xs, ys, linewidth=0.8, color=color, linestyle=":", zorder=1, label=name or None)
    _frame(axes, plane)
    axes.set_xlabel("tokens, ratio to the base" if plane.normalised else "mean tokens a response")
    axes.set_ylabel("accuracy, ratio to the base" if plane.normalised else "accuracy, %")
    return shown


def _numbers(plane: Plane) -> Table:
    """Who is dominated by whom, on values and, where there are intervals, beyond them."""
    rows = []
    for spot, found in zip(plane.spots, plane.dominance(), strict=True):
        beaten = [", ".join(names) or "none" for names in (found.by, found.clearly_by)]
        rows.append((spot.label, spot.role, spot.tokens, spot.accuracy, *(beaten[:1] if plane.printed else beaten)))
    declared = columns("plane_aggregate" if plane.normalised else "plane")
    return tabulate(plane.name, plane.title, declared[:-1] if plane.printed else declared, rows)


def below_view(plane: Plane) -> list[Spot]:
    """What would squeeze the rest into a line: models that keep less than half the base's accuracy, in the mean or with
    any seed, and cutoffs and prompts well under the others."""
    base = next((s.accuracy.value for s in plane.spots if s.role is Role.BASE), 0.0)
    alive = [s for s in plane.spots if min([s.accuracy.value, *(y for _, y in s.seeds)]) >= FAILED * base]
    kept = [s.accuracy.value for s in alive if s.role not in SMALL]
    if not kept:
        return []
    lowest = min(kept) - max(0.1, 0.6 * (max(kept) - min(kept)))
    return [s for s in plane.spots if s not in alive or s.accuracy.value < lowest]


def _caption(plane: Plane) -> str:
    several = any(spot.seeds for spot in plane.spots)
    said = ["marks", "unmeasured" if plane.printed else "seeds" if several else "bars", "better"]
    if any(s.role is Role.BASELINE and " lr " in s.label for s in plane.spots):
        said.append("settings")
    far = ", ".join(f"{s.label} ({show(s.accuracy.value, 'percent')})" for s in below_view(plane))
    return " ".join([*(say(f"plane.{name}") for name in said), *([say("plane.below", labels=far)] if far else [])])


def _spot(axes: Axes, spot: Spot, look: Look, scale: float, label: str) -> None:
    small = spot.role in SMALL
    for x, y in () if small else spot.seeds:
        axes.plot([x], [y * scale], linestyle="", marker=look.marker, markersize=4.2, color=look.color,
                  markerfacecolor=PAPER, markeredgewidth=0.8, zorder=3)  # fmt: skip
    size = 6 if small else 8 if spot.role is Role.BASE else 7
    axes.errorbar(spot.tokens.value, spot.accuracy.value * scale, xerr=drawing.bar_lengths([spot.tokens], 1),
                  yerr=drawing.bar_lengths([spot.accuracy], scale), marker=look.marker, linestyle="", markersize=size,
                  label=shorten_line(label, 24), color=look.color, markeredgecolor=PAPER, markeredgewidth=0.8,
                  elinewidth=0.6 if small else 1.2, capsize=2, zorder=4 if small else 5)  # fmt: skip


def _frame(axes: Axes, plane: Plane) -> None:
    """Fitted to the marks and their bars; what beats the base on both axes is shaded, or an arrow says where it is."""
    axes.margins(0.14, 0.12)
    left, right = axes.dataLim.intervalx
    if left < 0.3 * right:
        axes.set_xlim(left=0)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), high if plane.normalised else min(high, 100 + (high - low) * 0.05))
    base = next((s for s in plane.spots if s.role is Role.BASE), None)
    if base is None:
        drawing.better_arrow(axes)
        return
    (left, _), (_, top) = axes.get_xlim(), axes.get_ylim()
    axes.autoscale(False)
    corner = base.accuracy.value * plane.scale
    axes.fill_between([left, base.tokens.value], corner, top, color=GRID, alpha=0.45, zorder=0)
    axes.set_title("shaded: better than the base", color=SOFT, style="italic", weight="normal")


def _short(spot: Spot) -> str:
    """What stands beside a mark; a series that the legend names keeps its setting alone."""
    bare = spot.label.removeprefix(spot.series).strip(" -:").removeprefix("lr ")
    return bare or spot.label if spot.role in (Role.BASELINE, Role.EFFORT, *SMALL) else shorten_line(spot.label, 22)
