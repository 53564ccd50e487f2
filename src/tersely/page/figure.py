"""One look for all figures, and the pieces they are drawn with.

One colour a method on every page: alphas run along viridis by their value, whose lightness is monotone; every other
method has its own. Each has its own marker and line too, so that colour is never the only sign. Figures are drawn once,
in the light scheme; in the page every colour is a CSS variable, so that a drawing follows the reader's light or dark
scheme and prints in the light. They are as wide as a phone, so that no letter is below 10 px there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tersely.page.records import Role, Who
from tersely.records import Estimate
from tersely.text import shorten_line

WIDTH = 4.9
"""Inches; 353 CSS pixels at one pixel a point."""
LETTER = 10.3
"""Points of the smallest letters."""
INK, SOFT, GRID, PAPER = "#1c2128", "#59636e", "#d9dee4", "#ffffff"
_DARK_INK = {INK: "#e6e9ee", SOFT: "#a3acb8", GRID: "#3a424d", PAPER: "#161a20"}
_CSS_INK = {INK: "--ink", SOFT: "--soft", GRID: "--grid", PAPER: "--paper"}
_LINES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (1.2, 1.2)))
_MEMBERS = {0.0: "o", 0.05: "s", 0.1: "^", 0.2: "v", 0.4: "p"}
_MORE_MEMBERS, _SET_MARKERS = ((6, 0, 0), (7, 0, 0), (3, 0, 50), (4, 0, 22)), ("o", "s", "^", "v", "D", "P", "X", "d")
# Dark enough on paper, light enough on ink; neighbours differ in lightness as well as in hue, and each has its shape.
_METHODS: dict[str, tuple[str, str, Any]] = {
    "SFT": ("#b3346c", "#ff8fbf", "X"),
    "DPO": ("#c2410c", "#ff9d6b", "P"),
    "O1-Pruner": ("#6b21a8", "#c9a0ff", "d"),
    "other models": ("#8a5a00", "#e3b341", "*"),
    "cutoff": ("#77808b", "#8f9aa6", "h"),
    "Distilled": ("#0b5d8a", "#7cc4f0", "H"),
}
_OTHERS: tuple[tuple[str, str, Any], ...] = (
    ("#7f1d1d", "#ff9a9a", "<"), ("#475569", "#a8b6c8", ">"), ("#9d5f9d", "#d9a6d9", "8"),
    ("#3f6212", "#b5d96b", (3, 0, 15)),
)  # fmt: skip
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Nothing that differs between two runs of the same command."""

RC: Any = {
    **{"font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": LETTER, "text.parse_math": False},
    **dict.fromkeys(("axes.titlesize", "axes.labelsize", "legend.fontsize"), LETTER),
    **{"axes.titleweight": "bold", "axes.titlelocation": "left", "axes.edgecolor": SOFT, "axes.linewidth": 0.7},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True},
    **{"xtick.color": SOFT, "ytick.color": SOFT, "grid.color": GRID, "grid.linewidth": 0.6, "legend.frameon": False},
    **dict.fromkeys(("axes.labelcolor", "text.color", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), PAPER),
    **{"svg.fonttype": "none", "svg.hashsalt": "tersely"},
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one contender is drawn everywhere."""

    color: str
    dark: str
    marker: Any
    line: Any
    css: str
    """Name of the CSS variable that carries the colour in the page."""


Looks = Mapping[str, Look]


def make_looks(everyone: Iterable[Who], datasets: Sequence[str] = ()) -> dict[str, Look]:
    """Label -> look; data sets have theirs too, dark to light along one hue."""
    listed = list(everyone)
    members = sorted({w.alpha for w in listed if w.role is Role.FAMILY and w.alpha is not None})
    spare = iter(_MORE_MEMBERS * 3)
    shapes = {alpha: _MEMBERS.get(alpha) or next(spare) for alpha in members}
    others = iter(_OTHERS * 9)
    series = dict(_METHODS)
    found: dict[str, Look] = {}
    for who in listed:
        if who.role is Role.BASE:
            found[who.label] = Look(INK, _DARK_INK[INK], "D", "-", "--ink")
        elif who.role is Role.FAMILY and who.alpha is not None:
            found[who.label] = _member(who.alpha, shapes[who.alpha], members.index(who.alpha))
        else:
            series[who.series] = series.get(who.series) or next(others)
            place = list(series).index(who.series)
            color, dark, marker = series[who.series]
            found[who.label] = Look(color, dark, marker, _LINES[place % 4 + 1], f"--s{place}")
    for place, name in enumerate(datasets):
        found[name] = _set_look(place, len(datasets))
    return found


def _member(alpha: float, marker: Any, rank: int) -> Look:
    """The colour follows alpha itself, so that it is the same beside any other alphas."""
    share = alpha / (alpha + 0.1)
    light, dark = _viridis(0.72 * (1 - share)), _viridis(0.42 + 0.55 * share)
    return Look(light, dark, marker, _LINES[rank % len(_LINES)], f"--m{rank}")


def _set_look(place: int, count: int) -> Look:
    share = place / max(1, count - 1)
    light, dark = _between("102a43", "6fa8c9", share), _between("d9ecf7", "4f86a8", share)
    return Look(light, dark, _SET_MARKERS[place % len(_SET_MARKERS)], _LINES[place % len(_LINES)], f"--d{place}")


def _between(first: str, last: str, share: float) -> str:
    """A colour on the way from ``first`` to ``last`` (six hex digits)."""
    pairs = [(int(first[i : i + 2], 16), int(last[i : i + 2], 16)) for i in (0, 2, 4)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _viridis(share: float) -> str:
    return to_hex(matplotlib.colormaps["viridis"](share))


def variables(looks: Looks, dark: bool) -> str:
    """CSS declarations of every colour used in the figures, for the light or the dark scheme."""
    pairs = {name: _DARK_INK[color] if dark else color for color, name in _CSS_INK.items()}
    pairs.update({look.css: look.dark if dark else look.color for look in looks.values()})
    return " ".join(f"{name}: {value};" for name, value in pairs.items())


def render_figure(figure: Figure, endings: Sequence[str]) -> dict[str, bytes]:
    """The figure as files: ending ("svg", "png", "pdf") -> bytes, the same at every call."""
    # The layout is the slow part and the same for all: settle it once.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    files = {}
    for ending in endings:
        out = io.BytesIO()
        figure.savefig(out, format=ending, dpi=160, metadata=_METADATA[ending])
        files[ending] = out.getvalue()
    return files


def inline_svg(svg: str, name: str, alt: str, looks: Looks) -> str:
    """A standalone SVG as it stands in the page: no prologue, no metadata, own ids, colours as variables."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", body)
    colors = {**{look.color: look.css for look in looks.values()}, **_CSS_INK}
    body = re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var({colors[m[0]]})" if m[0] in colors else m[0], body)
    body = body.replace("'DejaVu Sans', sans-serif", "inherit").replace("'DejaVu Sans'", "inherit")
    for side in ("height", "width"):
        body = re.sub(rf"(<svg[^>]*?) {side}=\"[^\"]*\"", r"\1", body, count=1)
    body = body.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace("xlink:href", "href")
    body = body.replace('xmlns="http://www.w3.org/2000/svg"', "", 1)
    safe = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return body.replace("<svg", f'<svg role="img" aria-label="{safe}"', 1)


# ---- pieces


def canvas(height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure as wide as every other, and its panels row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(rows, columns, **shared)).ravel())


def better_arrow(axes: Axes) -> None:
    """Upper left is where one wants to be: few tokens, many right."""
    axes.annotate("", xy=(0.02, 0.98), xytext=(0.1, 0.875), xycoords="axes fraction",
                  arrowprops={"arrowstyle": "-|>", "color": SOFT, "linewidth": 1.4})  # fmt: skip
    axes.text(0.11, 0.86, "better", transform=axes.transAxes, color=SOFT, style="italic", va="top")


def bar_lengths(estimates: Sequence[Estimate], scale: float) -> np.ndarray:
    """[2, N] distances down and up, 0 where an estimate has no interval."""
    down = [0.0 if e.low is None else max(0.0, e.value - e.low) * scale for e in estimates]
    up = [0.0 if e.high is None else max(0.0, e.high - e.value) * scale for e in estimates]
    return np.array([down, up])


def draw_line(
    axes: Axes, xs: Sequence[float], values: Sequence[Estimate], look: Look, scale: float, label: str
) -> None:
    """Estimates with their bars, joined."""
    axes.errorbar(xs, [v.value * scale for v in values], yerr=bar_lengths(values, scale), color=look.color,
                  marker=look.marker, markersize=5.4, linestyle=look.line, linewidth=0.9, elinewidth=1.1,
                  markeredgecolor=PAPER, markeredgewidth=0.4, label=shorten_line(label, 30))  # fmt: skip


def legend_below(figure: Figure, axes: Axes) -> None:
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


def place_labels(
    figure: Figure,
    axes: Axes,
    spots: Sequence[tuple[float, float, str, str]],
    bars: Sequence[tuple[float, float, float, float]],
) -> None:
    """(x, y, name, colour): each name beside its point, where it covers least of the points, bars and names so far; a
    thin line leads from a name that had to stand apart."""
    figure.draw_without_rendering()
    taken: list[tuple[float, float, float, float]] = []
    for left, bottom, right, top in [*bars, *((x, y, x, y) for x, y, _, _ in spots)]:
        (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
        taken.append((x0 - 5, y0 - 5, x1 + 5, y1 + 5))
    frame, points = axes.get_window_extent(), 72 / figure.dpi
    for x, y, label, color in spots:
        px, py = axes.transData.transform((x, y))
        wide, tall = 6.4 * len(label) * figure.dpi / 72, 12 * figure.dpi / 72
        best = min(_places(px, py, wide, tall), key=lambda box: _clash(box, taken, frame))
        taken.append(best)
        apart = min(abs(best[0] - px), abs(best[2] - px)) > 14 or min(abs(best[1] - py), abs(best[3] - py)) > 20
        leader = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if apart else None
        axes.annotate(label, xy=(x, y), xytext=((best[0] + 1 - px) * points, (best[1] + 2 - py) * points),
                      textcoords="offset points", color=color, zorder=6, arrowprops=leader)  # fmt: skip


def _places(px: float, py: float, wide: float, tall: float) -> list[tuple[float, float, float, float]]:
    corners = []
    for reach in (9, 22, 36, 52):
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
