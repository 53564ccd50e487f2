"""Pieces that every figure of tokens and accuracy is drawn with: bars, names beside points, where better lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tersely.records import Estimate
from tersely.report.style import INK, SOFT


def better_arrow(axes: Axes) -> None:
    """Upper left is where one wants to be: few tokens, many right."""
    axes.annotate("", xy=(0.025, 0.975), xytext=(0.1, 0.865), xycoords="axes fraction",
                  arrowprops={"arrowstyle": "-|>", "color": SOFT, "linewidth": 1.4})  # fmt: skip
    axes.text(0.105, 0.85, "better", transform=axes.transAxes, color=SOFT, style="italic", va="top")


def bar_spans(tokens: Estimate, accuracy: Estimate, scale: float = 100.0) -> list[tuple[float, float, float, float]]:
    """The two error bars of a point as (left, bottom, right, top) in data units."""
    x, y = tokens.value, accuracy.value * scale
    spans = []
    if tokens.low is not None and tokens.high is not None:
        spans.append((tokens.low, y, tokens.high, y))
    if accuracy.low is not None and accuracy.high is not None:
        spans.append((x, accuracy.low * scale, x, accuracy.high * scale))
    return spans


def place_labels(
    figure: Figure,
    axes: Axes,
    spots: Sequence[tuple[float, float, str]],
    bars: Sequence[tuple[float, float, float, float]],
    colors: Sequence[str] = (),
) -> None:
    """Put each name beside its point, at the place that covers least of the points, bars and names drawn so far."""
    figure.draw_without_rendering()
    taken: list[tuple[float, float, float, float]] = []
    spans = [*bars, *((x, y, x, y) for x, y, _ in spots)]
    for left, bottom, right, top in spans:
        (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
        taken.append((x0 - 5, y0 - 5, x1 + 5, y1 + 5))
    frame, points = axes.get_window_extent(), 72 / figure.dpi
    for (x, y, label), color in zip(spots, colors or [INK] * len(spots), strict=True):
        px, py = axes.transData.transform((x, y))
        wide, tall = 5.9 * len(label) * figure.dpi / 72, 10 * figure.dpi / 72
        best = min(_places(px, py, wide, tall), key=lambda box: _clash(box, taken, frame))
        taken.append(best)
        shift = ((best[0] + 1 - px) * points, (best[1] + 2 - py) * points)
        axes.annotate(label, xy=(x, y), xytext=shift, textcoords="offset points",
                      fontsize=8.5, color=color, zorder=6)  # fmt: skip


def _places(px: float, py: float, wide: float, tall: float) -> list[tuple[float, float, float, float]]:
    corners = []
    for reach in (9, 22, 36):
        for dx, dy in ((1, 0.6), (1, -0.6), (-1, 0.6), (-1, -0.6), (0, 1), (0, -1)):
            left = px + dx * reach - (wide if dx < 0 else wide / 2 if dx == 0 else 0)
            bottom = py + dy * reach - (tall if dy < 0 else 0)
            corners.append((left, bottom, left + wide, bottom + tall))
    return corners


def _clash(
    box: tuple[float, float, float, float], taken: Sequence[tuple[float, float, float, float]], frame: Any
) -> float:
    """Area of ``box`` that is covered already or hangs out of the frame."""
    area = 0.0
    for other in taken:
        wide, tall = min(box[2], other[2]) - max(box[0], other[0]), min(box[3], other[3]) - max(box[1], other[1])
        area += max(0.0, wide) * max(0.0, tall)
    outside = max(0.0, box[2] - frame.x1) + max(0.0, frame.x0 - box[0])
    return area + 50.0 * float(outside + max(0.0, box[3] - frame.y1) + max(0.0, frame.y0 - box[1]))


def bar_lengths(estimates: Sequence[Estimate], scale: float) -> np.ndarray:
    """[2, N] distances down and up, 0 where an estimate has no interval."""
    down = [0.0 if e.low is None else max(0.0, e.value - e.low) * scale for e in estimates]
    up = [0.0 if e.high is None else max(0.0, e.high - e.value) * scale for e in estimates]
    return np.array([down, up])


def accuracy_label(axes: Axes) -> str:
    return "accuracy, %" + ("" if axes.get_ylim()[0] <= 0 else " (axis does not start at 0)")
