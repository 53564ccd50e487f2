"""Draw a comparison. Each function returns a matplotlib figure and draws nothing that no table holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tersely.compare.ablations import Ablation
from tersely.compare.records import Checkpoints, Plane, Role, Spot
from tersely.compare.standings import Standing
from tersely.report.drawing import accuracy_label, bar_lengths, bar_spans, better_arrow, place_labels
from tersely.report.measure import Entry
from tersely.report.style import GRID, INK, PAPER, SOFT, Look
from tersely.report.text import shorten_line

WIDTH = 6.6
Looks = Mapping[str, Look]


def frontier(plane: Plane, looks: Looks) -> Figure:
    """The paper's figures 2, 3 and 6: accuracy over tokens, the family on a dotted line, a shape for each baseline."""
    figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
    axes = figure.subplots()
    scale = 1.0 if plane.normalised else 100.0
    shown = [spot for spot in plane.spots if spot not in below_view(plane)]
    for spot in shown:
        _spot(axes, spot, looks[spot.label], scale)
    for series in {s.series for s in shown if s.role in (Role.FAMILY, Role.CUTOFF, Role.PROMPTED)}:
        line = sorted((s for s in shown if s.series == series), key=lambda s: _order(s))
        axes.plot([s.tokens.value for s in line], [s.accuracy.value * scale for s in line],
                  color=looks[line[0].label].color if series != "family" else SOFT, linewidth=0.8,
                  linestyle=":", zorder=1)  # fmt: skip
    _limits(axes, shown, scale, plane.normalised)
    axes.set_xlabel("tokens, ratio to the base" if plane.normalised else "mean tokens a response")
    if plane.normalised:
        note = "" if axes.get_ylim()[0] <= 0 else " (axis does not start at 0)"
        axes.set_ylabel(f"accuracy, ratio to the base{note}")
        axes.axhline(1.0, color=GRID, linewidth=1.0, zorder=0)
    else:
        axes.set_ylabel(accuracy_label(axes))
    better_arrow(axes)
    _legend(figure, axes, shown, looks)
    spots = [(s.tokens.value, s.accuracy.value * scale, _short(s)) for s in shown]
    bars = [span for s in shown if not s.seeds for span in bar_spans(s.tokens, s.accuracy, scale)]
    bars += [(x, y * scale, x, y * scale) for s in shown for x, y in s.seeds]
    place_labels(figure, axes, spots, bars, [_ink(s, looks[s.label]) for s in shown])
    return figure


def by_alpha(found: Sequence[Standing], datasets: Sequence[str], looks: Looks) -> Figure:
    """Accuracy and tokens of every data set, as ratios to the base, along the family."""
    family = sorted((s for s in found if s.role is Role.FAMILY and s.sets), key=lambda s: s.alpha or 0.0)
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    panels: Any = figure.subplots(1, 2)
    for axes, place, what in zip(panels, (0, 1), ("accuracy", "tokens"), strict=True):
        width = 0.5 / max(1, len(datasets))
        for i, dataset in enumerate(datasets):
            values = [s.sets[dataset][place] for s in family]
            offset = (i - (len(datasets) - 1) / 2) * width
            look = looks[dataset]
            axes.errorbar([x + offset for x in range(len(family))], [v.value for v in values],
                          yerr=bar_lengths(values, 1), marker=look.marker, markersize=5.4,
                          linestyle=look.line, linewidth=0.9, elinewidth=1.0, color=look.color,
                          markeredgecolor=PAPER, markeredgewidth=0.4, label=shorten_line(dataset, 30))  # fmt: skip
        axes.axhline(1.0, color=INK, linewidth=0.9)
        axes.set_xticks(range(len(family)), [f"{s.alpha:g}" for s in family])
        axes.set_xlabel("α")
        low, high = axes.get_ylim()
        start = 0.0 if what == "tokens" else max(0.0, low)
        axes.set_ylim(start, max(high, 1.02))
        axes.set_title(f"{what}, ratio to the base" + (" (not from 0)" if start > 0 else ""))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(datasets)))
    return figure


def dynamics(dataset: str, lines: Sequence[Checkpoints], base: Entry | None, looks: Looks) -> Figure:
    """The paper's figure 4: evaluated checkpoints, accuracy and length against the iteration, one curve an alpha."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    panels: Any = figure.subplots(1, 2)
    for axes, what, scale in zip(panels, ("accuracy", "tokens"), (100.0, 1.0), strict=True):
        for line in lines:
            points = [(0, None if base is None else base.overall(what))]
            points += [(step, e[dataset].overall(what)) for step, e in line.steps.items() if dataset in e]
            known = [(step, estimate) for step, estimate in points if estimate is not None]
            if len(known) < 2:
                continue
            look, values = looks[line.label], [estimate for _, estimate in known]
            axes.errorbar([step for step, _ in known], [v.value * scale for v in values],
                          yerr=bar_lengths(values, scale), color=look.color, marker=look.marker, markersize=4.6,
                          linestyle=look.line, linewidth=1.2, elinewidth=0.9, markeredgecolor=PAPER,
                          markeredgewidth=0.4, label=line.label)  # fmt: skip
        low, high = axes.get_ylim()
        start = 0.0 if what == "tokens" else max(0.0, low)
        axes.set_ylim(start, min(high, 102.0) if what == "accuracy" else high)
        title = "accuracy, %" if what == "accuracy" else "mean tokens a response"
        axes.set_title(title + (" (not from 0)" if start > 0 else ""))
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, max(1, len(lines))))
    return figure


def trajectory(dataset: str, lines: Sequence[Checkpoints], base: Entry | None, looks: Looks) -> Figure:
    """The paper's figure 5: where training goes in the plane of tokens and accuracy, one line an alpha."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    for line in lines:
        points = [(0, base), *((step, entries.get(dataset)) for step, entries in sorted(line.steps.items()))]
        found = [(e.overall("tokens"), e.overall("accuracy")) for _, e in points if e is not None]
        known = [(t.value, a.value * 100) for t, a in found if t is not None and a is not None]
        if len(known) < 2:
            continue
        look = looks[line.label]
        axes.plot(*zip(*known, strict=True), color=look.color, linestyle=look.line, linewidth=1.2, marker=look.marker,
                  markersize=3.6, markerfacecolor=PAPER, markeredgewidth=0.9, label=line.label)  # fmt: skip
        axes.plot(*known[-1], linestyle="", marker=look.marker, color=look.color, markersize=7.5,
                  markeredgecolor=PAPER, markeredgewidth=0.6, zorder=5)  # fmt: skip
    start = None if base is None else (base.overall("tokens"), base.overall("accuracy"))
    if start is not None and start[0] is not None and start[1] is not None:
        axes.plot(start[0].value, start[1].value * 100, linestyle="", marker="D", color=INK, markersize=8, zorder=6)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(100 + (high - low) * 0.06, high + (high - low) * 0.06))
    axes.set_xlim(0, axes.get_xlim()[1])
    axes.set_xlabel("mean tokens a response")
    axes.set_ylabel(accuracy_label(axes))
    better_arrow(axes)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, max(1, len(labels))))
    return figure


def ablations(found: Sequence[Ablation]) -> Figure:
    """What each departure from the family does at the same alpha: tokens and accuracy, with intervals."""
    figure = Figure(figsize=(WIDTH, 1.3 + 0.34 * len(found)), layout="constrained")
    panels: Any = figure.subplots(1, 2, sharey=True)
    places = range(len(found) - 1, -1, -1)
    for axes, values, title in (
        (panels[0], [a.saving for a in found], "tokens saved, %"),
        (panels[1], [a.accuracy for a in found], "accuracy, points"),
    ):
        known = [(y, value) for y, value in zip(places, values, strict=True) if value is not None]
        axes.errorbar([v.value * 100 for _, v in known], [y for y, _ in known],
                      xerr=bar_lengths([v for _, v in known], 100), linestyle="", marker="o", color=INK, markersize=5,
                      elinewidth=1.1, capsize=2.5)  # fmt: skip
        axes.axvline(0, color=SOFT, linewidth=0.9)
        axes.set_title(title, fontsize=8.5)
        axes.grid(False, axis="y")
    panels[0].set_yticks(list(places), [shorten_line(a.label, 46) for a in found])
    panels[0].set_ylim(-0.6, len(found) - 0.4)
    return figure


def _spot(axes: Axes, spot: Spot, look: Look, scale: float) -> None:
    small = spot.role in (Role.CUTOFF, Role.PROMPTED)
    for x, y in () if small else spot.seeds:
        axes.plot([x], [y * scale], linestyle="", marker=look.marker, markersize=3.6, color=look.color,
                  markerfacecolor=PAPER, markeredgewidth=0.8, zorder=3)  # fmt: skip
    width = 0.5 if small or spot.seeds else 1.2
    _, caps, bars = axes.errorbar(
        spot.tokens.value, spot.accuracy.value * scale, xerr=bar_lengths([spot.tokens], 1),
        yerr=bar_lengths([spot.accuracy], scale), marker=look.marker,
        markersize=5.5 if small else 8 if spot.role is Role.BASE else 7, color=look.color, markeredgecolor=PAPER,
        markeredgewidth=0.8, elinewidth=width, capsize=0 if spot.seeds else 2, zorder=4 if small else 5,
    )  # fmt: skip
    for piece in (*caps, *bars) if spot.seeds else ():
        piece.set_alpha(0.45)
        piece.set_zorder(2)


FAILED = 0.5
"""Share of the base's accuracy under which a model is no trade-off but a failure."""


def below_view(plane: Plane) -> list[Spot]:
    """What lies far below everything else and would, drawn, squeeze the rest into a line: models that keep less than
    half the base's accuracy, in the mean or with any seed, and cutoffs and prompts well under the others.
    """
    base = next((s.accuracy.value for s in plane.spots if s.role is Role.BASE), 0.0)
    alive = [s for s in plane.spots if min([s.accuracy.value, *(y for _, y in s.seeds)]) >= FAILED * base]
    kept = [s.accuracy.value for s in alive if s.role not in (Role.CUTOFF, Role.PROMPTED)]
    if not kept:
        return []
    floor = min(kept) - max(0.1, 0.6 * (max(kept) - min(kept)))
    return [s for s in plane.spots if s not in alive or s.accuracy.value < floor]


def _limits(axes: Axes, spots: Sequence[Spot], scale: float, normalised: bool) -> None:
    """Room for every mark; bars of single seeds in full, wide ones over few seeds may leave the frame."""
    ends: list[float] = []
    for spot in spots:
        ends += [y for _, y in spot.seeds]
        parts = (spot.accuracy.value,) if spot.seeds else (spot.accuracy.value, spot.accuracy.low, spot.accuracy.high)
        ends += [part for part in parts if part is not None]
    low, high = min(ends) * scale, max(ends) * scale
    room = max(high - low, 0.05 * scale) * 0.12
    top = high + room if normalised else min(100.0 + room / 2, high + room)
    wide = [x for s in spots for x in (s.tokens.value, *((s.tokens.high,) if not s.seeds else [x for x, _ in s.seeds]))]
    axes.set_xlim(0, max(x for x in wide if x is not None) * 1.12)
    axes.set_ylim(max(0.0, low - room), top)


def _ink(spot: Spot, look: Look) -> str:
    """Settings without their method's name stand in its colour, so that neighbours are not mixed up."""
    return look.color if spot.role is Role.BASELINE else INK


def _short(spot: Spot) -> str:
    """What stands beside a mark; a series that the legend names keeps its setting alone."""
    if spot.role in (Role.CUTOFF, Role.PROMPTED):
        return spot.label.removeprefix(spot.series).strip(" -:") or spot.label
    if spot.role is Role.BASELINE:
        return spot.label.removeprefix(spot.series).strip().removeprefix("lr ") or spot.label
    return shorten_line(spot.label, 26)


def _order(spot: Spot) -> tuple[float, float]:
    return (spot.alpha if spot.alpha is not None else 0.0, spot.tokens.value)


def _legend(figure: Figure, axes: Axes, spots: Sequence[Spot], looks: Looks) -> None:
    """One entry a method; the members of the family and the base are named beside their marks."""
    listed: dict[str, Look] = {}
    for spot in spots:
        if spot.role not in (Role.BASE, Role.FAMILY):
            listed.setdefault(shorten_line(spot.series, 40), looks[spot.label])
    if not listed:
        return
    handles = [
        axes.plot([], [], linestyle="", marker=look.marker, color=look.color, markersize=6, label=name)[0]
        for name, look in listed.items()
    ]
    longest = max(map(len, listed))
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, min(len(handles), 84 // (longest + 6))))
