"""One look for all figures, as wide as a phone: one colour, marker and line a method, so that none is the only sign."""

import io
import itertools
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure, FigureBase
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

from tersely.page.records import Role, Who
from tersely.records import Estimate, FloatArray
from tersely.text import shorten_line

WIDTH = 4.9
"""Inches; 353 CSS pixels at one pixel a point."""
INK, SOFT, GRID, PAPER = "#1c2128", "#59636e", "#d9dee4", "#ffffff"
STYLE = Path(__file__).with_name("style.mplstyle")
"""Of every figure; for ``matplotlib.style.context``."""
LOOKS = tomllib.loads(Path(__file__).with_name("looks.toml").read_text(encoding="utf-8"))
METADATA: dict[str, dict[str, Any]] = {
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "png": {"Software": None},
    "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
}
"""Nothing that differs between two runs of the same command."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one contender is drawn everywhere."""

    color: str
    marker: Any
    line: Any


Looks = Mapping[str, Look]


def make_looks(everyone: Iterable[Who], datasets: Sequence[str] = ()) -> dict[str, Look]:
    """Label -> look; data sets have theirs too, dark to light along one hue."""
    listed, lines, series, found = list(everyone), itertools.cycle(LOOKS["lines"]), dict(LOOKS["methods"]), {}
    spare, others = itertools.cycle(LOOKS["more_members"]), itertools.cycle(LOOKS["more_methods"].values())
    members = {}
    for alpha in sorted({w.alpha for w in listed if w.role is Role.FAMILY and w.alpha is not None}):
        # The colour follows alpha itself, so that it is the same beside any other alphas.
        color = matplotlib.colormaps["viridis"](0.72 * 0.1 / (alpha + 0.1))
        members[alpha] = _look(color, LOOKS["members"].get(f"{alpha:g}") or next(spare), next(lines))
    for who in listed:
        if who.role is Role.BASE:
            found[who.label] = _look(INK, "D", "-")
        elif who.role is Role.FAMILY and who.alpha is not None:
            found[who.label] = members[who.alpha]
        else:
            color, marker = series.setdefault(who.series, None) or next(others)
            series[who.series] = color, marker
            found[who.label] = _look(color, marker, LOOKS["lines"][list(series).index(who.series) % 4 + 1])
    for place, name in enumerate(datasets):
        color = matplotlib.colormaps["Blues_r"](0.6 * place / max(1, len(datasets) - 1))
        marker, line = (LOOKS[kind][place % len(LOOKS[kind])] for kind in ("sets", "lines"))
        found[name] = _look(color, marker, line)
    return found


def _look(color: Any, marker: Any, line: Any) -> Look:
    """matplotlib wants tuples where TOML has lists."""
    shape = tuple(marker) if isinstance(marker, list) else marker
    return Look(to_hex(color), shape, (line[0], tuple(line[1])) if isinstance(line, list) else line)


def render_figure(figure: Figure, endings: Sequence[str]) -> dict[str, bytes]:
    """The figure as files: ending ("svg", "png", "pdf") -> bytes, the same at every call."""
    # The layout is the slow part and the same for all: settle it once.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    files = {}
    for ending in endings:
        out = io.BytesIO()
        figure.savefig(out, format=ending, dpi=160, metadata=METADATA[ending])
        files[ending] = out.getvalue()
    return files


def inline_svg(svg: str, name: str, alt: str) -> str:
    """A standalone SVG as it stands in the page: no prologue, no style of its own, ids that no other figure has."""
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", body)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body).replace("xlink:href", "href")
    return body.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)


def canvas(height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure as wide as every other, and its panels row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(rows, columns, **shared)).ravel())


def better_arrow(axes: Axes) -> None:
    """Upper left is where one wants to be: few tokens, many right."""
    axes.annotate("better", xy=(0.02, 0.98), xytext=(0.11, 0.86), xycoords="axes fraction", color=SOFT, style="italic",
                  arrowprops={"arrowstyle": "-|>", "color": SOFT, "linewidth": 1.4})  # fmt: skip


def bar_lengths(estimates: Sequence[Estimate], scale: float) -> np.ndarray:
    """[2, N] distances down and up, 0 where an estimate has no interval."""
    down = [0.0 if e.low is None else max(0.0, e.value - e.low) * scale for e in estimates]
    return np.array([down, [0.0 if e.high is None else max(0.0, e.high - e.value) * scale for e in estimates]])


def draw_line(
    axes: Axes, xs: Sequence[float], values: Sequence[Estimate], look: Look, scale: float, label: str
) -> None:
    """Estimates with their bars, joined."""
    axes.errorbar(xs, [v.value * scale for v in values], yerr=bar_lengths(values, scale), color=look.color,
                  marker=look.marker, markersize=5.4, linestyle=look.line, linewidth=0.9, elinewidth=1.1,
                  markeredgecolor=PAPER, markeredgewidth=0.4, label=shorten_line(label, 30))  # fmt: skip


def draw_beside(
    axes: Axes, places: Sequence[str], lines: Sequence[tuple[str, Look, Sequence[Estimate | None]]], scale: float
) -> None:
    """(name, look, an estimate for each place): lines stand side by side in each place, hiding no interval."""
    step = min(0.12, 0.72 / max(1, len(lines)))
    for number, (name, look, estimates) in enumerate(lines):
        shift = (number - (len(lines) - 1) / 2) * step
        known = [(place + shift, estimate) for place, estimate in enumerate(estimates) if estimate is not None]
        if known:
            draw_line(axes, [x for x, _ in known], [estimate for _, estimate in known], look, scale, name)
    most = max(3, 40 // len(places))
    axes.set_xticks(range(len(places)), [shorten_line(place, most) for place in places])
    axes.set_xticks([place + 0.5 for place in range(len(places) - 1)], minor=True)
    axes.tick_params(axis="x", which="minor", length=0)
    axes.grid(False, axis="x")
    axes.grid(True, axis="x", which="minor")
    axes.set_xlim(-0.5, len(places) - 0.5)


def legend_below(figure: FigureBase, axes: Axes) -> None:
    """Under the figure, where it covers no data; every name once."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = max(1, min(len(labels), 44 // (max(map(len, labels)) + 6)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.2, handlelength=2.6)


def from_zero(axes: Axes, title: str, zero: bool = True) -> None:
    """From zero where zero has a meaning to compare with; an axis that starts elsewhere says so in its title."""
    low, high = axes.get_ylim()
    data = [float(np.min(line.get_ydata())) for line in axes.lines if np.size(line.get_ydata())]
    start = 0.0 if min(data, default=0.0) >= 0 and (zero or low < 0) else low
    axes.set_ylim(start, max(high, 1e-3))
    axes.set_title(title + (" (not from 0)" if start > 0 else ""))


def place_labels(figure: Figure, axes: Axes, spots: Sequence[tuple[float, float, str, str]]) -> None:
    """(x, y, name, colour): each name beside its point, where it covers least of the marks, bars and names so far; a
    thin line leads from a name that had to stand apart."""
    figure.draw_without_rendering()
    drawn = [one for one in (*axes.lines, *axes.collections) if one.get_zorder() >= 3]
    taken = [one.get_window_extent().padded(3).get_points() for one in drawn]
    for x, y, name, color in spots:
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", color=color, zorder=6)
        places = [(reach, dx, dy) for reach in (6, 16, 28, 42) for dx in (1, -1, 0) for dy in (0.6, -0.6, 1.2, -1.2)]
        reach, dx, dy = min(places, key=lambda place: _covered(_at(text, place), taken, axes.bbox) + place[0] / 10)
        taken.append(_at(text, (reach, dx, dy)).get_points())
        if reach > 8:
            axes.annotate("", (x, y), (dx * reach, dy * reach), textcoords="offset points", zorder=2,
                          arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5})  # fmt: skip


def _at(text: Annotation, place: tuple[float, float, float]) -> Bbox:
    """Put the text (points away, in a direction); where that is."""
    reach, dx, dy = place
    sides = {1: "left", 0: "center", -1: "right"}
    text.set(position=(dx * reach, dy * reach), va="bottom" if dy > 0 else "top", ha=sides[int(dx)])
    return text.get_window_extent()


def _covered(box: Bbox, taken: Sequence[FloatArray], frame: BboxBase) -> float:
    """Area that is covered already or hangs out of the frame; ``taken`` are corners, [2, 2] each."""
    corners_N22 = np.array([*taken, frame.get_points()])
    lows_N2, highs_N2 = np.maximum(corners_N22[:, 0], box.min), np.minimum(corners_N22[:, 1], box.max)
    *shared, inside = np.prod(np.maximum(highs_N2 - lows_N2, 0.0), axis=1)
    return float(sum(shared) + 5 * (box.width * box.height - inside))
