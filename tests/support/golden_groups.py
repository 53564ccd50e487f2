"""One set of groups for every engine: what a response was, its length, and what it earns by the paper's formula.

The expected numbers are worked out here in plain Python from Eq. 4 and 5 and the leave-one-out baseline of arXiv
2502.04463, without a line of ``tersely.objective``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CAP = 900
ALPHA = 0.2
SIBLINGS = 4

RIGHT, WRONG, UNJUDGED, TRUNCATED, PADDING = "right", "wrong", "unjudged", "truncated", "padding"

GROUPS: dict[str, list[tuple[str, int]]] = {
    "mixed": [(RIGHT, 120), (WRONG, 300), (RIGHT, 480), (RIGHT, 77)],
    "all right": [(RIGHT, 10), (RIGHT, 200), (RIGHT, 30), (RIGHT, 899)],
    "all wrong": [(WRONG, 10), (WRONG, 20), (WRONG, 30), (WRONG, 40)],
    "one right": [(WRONG, 64), (WRONG, 65), (RIGHT, 500), (WRONG, 3)],
    "equal lengths": [(RIGHT, 256), (RIGHT, 256), (WRONG, 256), (RIGHT, 256)],
    "unjudged": [(RIGHT, 50), (UNJUDGED, 10), (WRONG, 80), (RIGHT, 70)],
    "one judged": [(UNJUDGED, 50), (UNJUDGED, 10), (RIGHT, 80), (UNJUDGED, 70)],
    "truncated": [(RIGHT, 100), (TRUNCATED, CAP), (RIGHT, 700), (TRUNCATED, CAP)],
    "three": [(RIGHT, 33), (WRONG, 44), (RIGHT, 55)],
    "two": [(RIGHT, 33), (WRONG, 44)],
    "alone": [(RIGHT, 33)],
    "padding": [(PADDING, 0)],
}
"""Name -> (what it was, tokens). The last four are groups that lost responses, and a row that fills up a batch."""
WHOLE = [name for name, rows in GROUPS.items() if len(rows) == SIBLINGS]


@dataclass(frozen=True)
class GoldenRow:
    group: str
    was: str
    length: int
    reward: float
    advantage: float

    @property
    def score(self) -> float:
        """As engines carry it: a truncated text may look right, and nobody could say of an unjudged one."""
        return {RIGHT: 1.0, WRONG: 0.0, UNJUDGED: -1.0, TRUNCATED: 1.0, PADDING: 0.0}[self.was]


def golden(names: list[str] | None = None) -> list[GoldenRow]:
    """Rows group after group."""
    return [row for name in names or GROUPS for row in _worked_out(name)]


def interleaved() -> list[GoldenRow]:
    """All rows, siblings apart from one another."""
    return sorted(golden(), key=lambda row: (row.length * 7919) % 101)


def _worked_out(name: str) -> list[GoldenRow]:
    rows = GROUPS[name]
    lengths = [n for was, n in rows if was == RIGHT]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    deviation = math.sqrt(sum((n - mean) ** 2 for n in lengths) / len(lengths)) if lengths else 0.0
    counted = [was not in (UNJUDGED, PADDING) for was, _ in rows]
    rewards = [_reward(n, mean, deviation) if was == RIGHT else 0.0 for was, n in rows]
    total, judged = sum(rewards), sum(counted)
    advantages = [
        r - (total - r) / (judged - 1) if is_counted and judged > 1 else 0.0
        for r, is_counted in zip(rewards, counted, strict=True)
    ]
    return [GoldenRow(name, was, n, r, a) for (was, n), r, a in zip(rows, rewards, advantages, strict=True)]


def _reward(length: int, mean: float, deviation: float) -> float:
    """1 - alpha * sigmoid((length - mean) / deviation); half a sigmoid's height where all lengths are equal."""
    z = (length - mean) / deviation if deviation else 0.0
    return 1 - ALPHA / (1 + math.exp(-z))
