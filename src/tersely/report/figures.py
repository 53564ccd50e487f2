"""Draw the figures of one task. Each function returns a matplotlib figure and draws nothing that no table holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tersely.records import Estimate
from tersely.report.drawing import accuracy_label, bar_lengths, bar_spans, better_arrow, place_labels
from tersely.report.load import Run
from tersely.report.measure import Entry, View
from tersely.report.style import GRID, INK, PAPER, SOFT, Look
from tersely.report.text import shorten_line

WIDTH = 6.6
SMOOTHING = 5
"""Steps of the running mean in the training curves."""

Looks = dict[str, Look]


def frontier(view: View, looks: Looks) -> Figure:
    """Accuracy over mean tokens, a point a model with both intervals; several seeds as small points and their mean."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    spots: list[tuple[float, float, str]] = []
    bars: list[tuple[float, float, float, float]] = []
    for entry in view.entries:
        tokens, accuracy = entry.overall("tokens"), entry.overall("accuracy")
        if tokens is None or accuracy is None:
            continue
        _frontier_point(axes, entry, looks[entry.label], tokens, accuracy)
        spots.append((tokens.value, accuracy.value * 100, entry.label))
        if len(entry.results) == 1:
            bars += bar_spans(tokens, accuracy)
    path = [spot for spot in spots if spot[2] in {entry.label for entry in view.line}]
    axes.plot([x for x, _, _ in path], [y for _, y, _ in path], color=SOFT, linewidth=0.8, linestyle=":", zorder=1)
    _percent_limits(axes, view)
    axes.set_xlabel("mean tokens a response")
    axes.set_ylabel(accuracy_label(axes))
    axes.set_xlim(0, axes.get_xlim()[1] * 1.08)
    better_arrow(axes)
    place_labels(figure, axes, spots, bars)
    return figure


def saving_by_difficulty(view: View, looks: Looks) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.subplots()
    entries = [entry for entry in view.trained if entry.gain("token_saving") is not None]
    _dodged(axes, view, entries, looks, lambda e, d: e.gain("token_saving", d), 100)
    axes.axhline(0, color=INK, linewidth=0.9)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0), max(high, 0))
    axes.set_ylabel("tokens saved against the base, %")
    _below(figure, axes, looks, entries)
    return figure


def accuracy_by_difficulty(view: View, looks: Looks) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.subplots()
    _dodged(axes, view, view.entries, looks, lambda e, d: e.at(d, "accuracy"), 100)
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), min(100.5, axes.get_ylim()[1]))
    axes.set_ylabel(accuracy_label(axes))
    _below(figure, axes, looks, view.entries)
    return figure


def checks_by_difficulty(view: View, looks: Looks) -> Figure:
    """One panel a behaviour, all from zero, so that what vanishes is seen to vanish."""
    count = max(1, len(view.behaviours))
    figure = Figure(figsize=(WIDTH, 0.7 + 2.0 * count), layout="constrained")
    panels: Any = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, view.behaviours, strict=True):
        _dodged(axes, view, view.entries, looks, partial(_behaviour, name), 1, x_label=False)
        axes.set_ylim(0, max(axes.get_ylim()[1], 0.1))
        words = view.entries[0].results[0].evaluation.summary.phrases[name]
        axes.set_title(shorten_line(f"{name}: {', '.join(words)}", 70))
        axes.set_ylabel("per response")
    panels[-1].set_xlabel("difficulty")
    _below(figure, panels[-1], looks, view.entries)
    return figure


def _behaviour(name: str, entry: Entry, difficulty: str) -> Estimate | None:
    return entry.at(difficulty, "behaviours", name)


CURVES = (
    ("accuracy", "accuracy, %", 100.0, False),
    ("length", "mean tokens a response", 1.0, True),
    ("truncated", "truncated, %", 100.0, True),
    ("kl", "KL to the initial model, nats a token", 1.0, True),
    ("entropy", "entropy, nats a token", 1.0, True),
)


def curves(view: View, looks: Looks) -> Figure:
    """What the journal saw: every run as a thin line, the running mean over its seeds as a thick one."""
    figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
    panels: Any = figure.subplots(3, 2, sharex=True).ravel()
    entries = [entry for entry in view.trained if any(result.run.journal for result in entry.results)]
    for axes, (key, title, scale, from_zero) in zip(panels, CURVES, strict=False):
        for entry in entries:
            _curve(axes, [result.run for result in entry.results], key, scale, looks[entry.label])
        axes.set_title(title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if axes.lines:
            _curve_limits(axes, title, from_zero)
        if not axes.lines:
            axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=SOFT)
    legend = panels[len(CURVES)]
    legend.axis("off")
    legend.legend(handles=_handles(axes, looks, entries, lines=True), loc="center left", handlelength=3.4)
    for axes in (panels[3], panels[4]):
        axes.set_xlabel("step")
        axes.tick_params(labelbottom=True)
    return figure


def _curve_limits(axes: Axes, title: str, from_zero: bool) -> None:
    """From zero where zero has a meaning to compare with; an axis that starts elsewhere says so in its title."""
    lowest = min(float(np.min(line.get_ydata())) for line in axes.lines)
    low, high = axes.get_ylim()
    low = 0.0 if lowest >= 0 and (from_zero or low < 0) else low
    axes.set_ylim(low, max(high, 1e-3))
    if low > 0:
        axes.set_title(f"{title} (not from 0)")


def _frontier_point(axes: Axes, entry: Entry, look: Look, tokens: Estimate, accuracy: Estimate) -> None:
    several = len(entry.results) > 1
    if several:
        blocks = [result.evaluation.summary.overall for result in entry.results]
        known = [(b.tokens.value, b.accuracy.value * 100) for b in blocks if b.accuracy is not None]
        axes.plot(*zip(*known, strict=True), linestyle="", marker=look.marker, markersize=4, color=look.color,
                  markerfacecolor=PAPER, markeredgewidth=0.9, zorder=3)  # fmt: skip
    bars: dict[str, Any] = {} if several else {"xerr": bar_lengths([tokens], 1), "yerr": bar_lengths([accuracy], 100)}
    axes.errorbar(tokens.value, accuracy.value * 100, **bars, marker=look.marker, markersize=8 if entry.is_base else 7,
                  color=look.color, markeredgecolor=PAPER, markeredgewidth=0.8, elinewidth=1.2, capsize=2.5,
                  zorder=4)  # fmt: skip


def _percent_limits(axes: Axes, view: View) -> None:
    """Room for every interval, never beyond 0 or 100 %, and never less than 5 points of range."""
    ends: list[float] = []
    for entry in view.entries:
        for result in entry.results:
            found = result.evaluation.summary.overall.accuracy
            if found is not None:
                parts = (found.value,) if len(entry.results) > 1 else (found.value, found.low, found.high)
                ends += [100 * part for part in parts if part is not None]
    if not ends:
        return
    low, high = max(0.0, min(ends)), min(100.0, max(ends))
    room = max(5.0, high - low) * 0.14
    axes.set_ylim(max(0.0, low - room), min(100.0 + room / 2, high + room))


def _dodged(
    axes: Axes,
    view: View,
    entries: Sequence[Entry],
    looks: Looks,
    value: Callable[[Entry, str], Estimate | None],
    scale: float,
    x_label: bool = True,
) -> None:
    """Estimates by difficulty, the entries side by side within each label so that intervals do not hide each other."""
    labels = view.difficulties
    step = min(0.12, 0.72 / max(1, len(entries)))
    for i, entry in enumerate(entries):
        offset = (i - (len(entries) - 1) / 2) * step
        found = [(place + offset, value(entry, label)) for place, label in enumerate(labels)]
        known = [(x, estimate) for x, estimate in found if estimate is not None]
        if not known:
            continue
        look, estimates = looks[entry.label], [estimate for _, estimate in known]
        axes.errorbar([x for x, _ in known], [e.value * scale for e in estimates], yerr=bar_lengths(estimates, scale),
                      color=look.color, marker=look.marker, markersize=5.4, markeredgecolor=PAPER, markeredgewidth=0.35,
                      linestyle=look.line, linewidth=0.6, elinewidth=1.1, capsize=0)  # fmt: skip
    axes.set_xticks(range(len(labels)), [shorten_line(label) for label in labels])
    axes.grid(False, axis="x")
    for place in range(1, len(labels)):
        axes.axvline(place - 0.5, color=GRID, linewidth=0.6, zorder=0)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    if x_label:
        axes.set_xlabel("difficulty")


def _handles(axes: Axes, looks: Looks, entries: Sequence[Entry], lines: bool = False) -> list[Any]:
    handles = []
    for entry in entries:
        look = looks[entry.label]
        shape: dict[str, Any] = (
            {"linestyle": look.line, "linewidth": 1.8} if lines else {"linestyle": look.line, "linewidth": 0.8}
        )
        marker: dict[str, Any] = {} if lines else {"marker": look.marker, "markersize": 5.5, "markeredgecolor": PAPER}
        handles.append(axes.plot([], [], color=look.color, label=entry.label, **shape, **marker)[0])
    return handles


def _below(figure: Figure, axes: Axes, looks: Looks, entries: Sequence[Entry]) -> None:
    """The legend under the figure, where it covers no data."""
    longest = max((len(entry.label) for entry in entries), default=1)
    columns = max(1, min(len(entries), math.floor(78 / (longest + 7))))
    figure.legend(handles=_handles(axes, looks, entries), loc="outside lower center", ncols=columns, columnspacing=1.4)


def _curve(axes: Axes, runs: Sequence[Run], key: str, scale: float, look: Look) -> None:
    by_step: dict[int, list[float]] = {}
    for run in runs:
        points = [(int(row["step"]), float(row[key]) * scale) for row in run.journal if row.get(key) is not None]
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), color=look.color, linewidth=0.7, alpha=0.28)
        for step, value in points:
            by_step.setdefault(step, []).append(value)
    if by_step:
        steps = sorted(by_step)
        means = [float(np.mean(by_step[step])) for step in steps]
        axes.plot(steps, _running_mean(means), color=look.color, linewidth=1.8, linestyle=look.line)


def _running_mean(values: Sequence[float]) -> list[float]:
    """Centred mean over ``SMOOTHING`` steps, over fewer at the ends."""
    half = SMOOTHING // 2
    return [float(np.mean(values[max(0, i - half) : i + half + 1])) for i in range(len(values))]
