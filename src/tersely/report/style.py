"""One look for all figures: ink, markers and a scale of colours that keeps its order without colour vision.

Members are coloured by rank of alpha along viridis, whose lightness is monotone, and each has its own marker and line
style, so that colour is never the only sign. Figures are drawn once, in the light scheme; in the page every colour is
replaced by a CSS variable, so that the same drawing follows the reader's light or dark scheme and prints in the light.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.colors import to_hex

from tersely.report.measure import View

INK, SOFT, GRID, PAPER = "#1c2128", "#59636e", "#d9dee4", "#ffffff"
VARIANTS = ("#b3346c", "#8a5a00", "#c2410c", "#6b21a8")
_DARK_INK = {INK: "#e6e9ee", SOFT: "#a3acb8", GRID: "#3a424d", PAPER: "#161a20"}
_DARK_VARIANTS = ("#ff8fbf", "#e3b341", "#ff9d6b", "#c9a0ff")
_MARKERS, _VARIANT_MARKERS = ("o", "s", "^", "v", "p", "h", "8", ">"), ("X", "P", "*", "d")
_LINES = ("-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (1.2, 1.2)))

RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": PAPER,
    "axes.unicode_minus": True,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "tersely",
    "text.parse_math": False,
    "savefig.facecolor": PAPER,
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one entry is drawn everywhere."""

    color: str
    dark: str
    marker: str
    line: Any
    css: str
    """Name of the CSS variable that carries the colour in the page."""


def looks(view: View) -> dict[str, Look]:
    """Label -> look; the base is an ink diamond, members run along the scale, variants stand aside from it."""
    found: dict[str, Look] = {}
    line = [entry.label for entry in view.line]
    for rank, label in enumerate(line):
        found[label] = member_look(rank, len(line))
    others = [entry for entry in view.entries if entry.label not in found]
    for rank, entry in enumerate(entry for entry in others if not entry.is_base):
        i = rank % len(VARIANTS)
        found[entry.label] = Look(VARIANTS[i], _DARK_VARIANTS[i], _VARIANT_MARKERS[i], _LINES[1], f"--v{i}")
    for entry in others:
        if entry.is_base:
            found[entry.label] = Look(INK, _DARK_INK[INK], "D", _LINES[0], "--ink")
    return found


def member_look(rank: int, count: int) -> Look:
    """The look of the family's member of that rank of alpha, from 0."""
    share = rank / max(1, count - 1)
    return Look(
        _viridis(0.66 * (1 - share)), _viridis(0.42 + 0.55 * share), _MARKERS[rank % len(_MARKERS)],
        _LINES[rank % len(_LINES)], f"--m{rank}",
    )  # fmt: skip


def variables(all_looks: Sequence[dict[str, Look]], dark: bool) -> str:
    """CSS declarations of every colour used in the figures, for the light or the dark scheme."""
    names = {INK: "--ink", SOFT: "--soft", GRID: "--grid", PAPER: "--paper"}
    pairs = {name: _DARK_INK[color] if dark else color for color, name in names.items()}
    for each in all_looks:
        pairs.update({look.css: look.dark if dark else look.color for look in each.values()})
    return " ".join(f"{name}: {value};" for name, value in pairs.items())


def inline_svg(svg: str, name: str, alt: str, all_looks: dict[str, Look]) -> str:
    """A standalone SVG as it stands in the page: no prologue, no metadata, own ids, colours as variables."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", body)
    colors = {INK: "--ink", SOFT: "--soft", GRID: "--grid", PAPER: "--paper"}
    colors.update({look.color: look.css for look in all_looks.values()})
    body = re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var({colors[m[0]]})" if m[0] in colors else m[0], body)
    body = body.replace("'DejaVu Sans', sans-serif", "inherit").replace("'DejaVu Sans'", "inherit")
    body = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", body, count=1)
    body = re.sub(r"(<svg[^>]*?) width=\"[^\"]*\"", r"\1", body, count=1)
    body = body.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace("xlink:href", "href")
    body = body.replace('xmlns="http://www.w3.org/2000/svg"', "", 1)
    return body.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)


def _viridis(share: float) -> str:
    return to_hex(matplotlib.colormaps["viridis"](share))
