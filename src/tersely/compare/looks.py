"""Shapes and colours of everything beside the family: one a method, so that colour is never the only sign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tersely.compare.records import Role
from tersely.report.style import INK, Look, member_look

# Dark enough on paper, light enough on ink; neighbours differ in lightness as well as in hue, and each has its shape.
_PALETTE = (
    ("#b3346c", "#ff8fbf", "X"),
    ("#c2410c", "#ff9d6b", "P"),
    ("#6b21a8", "#c9a0ff", "d"),
    ("#8a5a00", "#e3b341", "<"),
    ("#0b5d8a", "#7cc4f0", ">"),
    ("#7f1d1d", "#ff9a9a", "H"),
    ("#475569", "#a8b6c8", "p"),
    ("#9d5f9d", "#d9a6d9", "*"),
)
_LINES = ((0, (6, 1.5)), (0, (3, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (1.2, 1.2)))
CUTOFF = Look("#77808b", "#8f9aa6", "v", ":", "--cut")


_SET_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "d")


def dataset_looks(datasets: Sequence[str]) -> dict[str, Look]:
    """Data sets have no order: dark to light along one hue, told apart by marker and dash."""
    found = {}
    for place, name in enumerate(datasets):
        share = place / max(1, len(datasets) - 1)
        light, dark = _between("102a43", "6fa8c9", share), _between("d9ecf7", "4f86a8", share)
        line = "-" if place == 0 else _LINES[(place - 1) % len(_LINES)]
        found[name] = Look(light, dark, _SET_MARKERS[place % len(_SET_MARKERS)], line, f"--d{place}")
    return found


def _between(first: str, last: str, share: float) -> str:
    """A colour on the way from ``first`` to ``last`` (six hex digits)."""
    pairs = [(int(first[i : i + 2], 16), int(last[i : i + 2], 16)) for i in (0, 2, 4)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def make_looks(entries: Iterable[tuple[str, Role, str, float | None]]) -> dict[str, Look]:
    """(label, role, series, alpha) -> label -> look: the family along one scale, every other series with its own."""
    listed = list(entries)
    family = [label for label, role, _, _ in sorted(listed, key=lambda e: e[3] or 0.0) if role is Role.FAMILY]
    found = {label: member_look(rank, len(family)) for rank, label in enumerate(dict.fromkeys(family))}
    series: dict[str, Look] = {}
    for label, role, name, _ in listed:
        if role is Role.BASE:
            found[label] = Look(INK, "#e6e9ee", "D", "-", "--ink")
        elif role is Role.CUTOFF:
            found[label] = CUTOFF
        elif label not in found:
            if name not in series:
                place = len(series)
                color, dark, marker = _PALETTE[place % len(_PALETTE)]
                series[name] = Look(color, dark, marker, _LINES[place % len(_LINES)], f"--s{place % len(_PALETTE)}")
            found[label] = series[name]
    return found
