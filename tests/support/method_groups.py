"""Random groups, states and settings in which a published method is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tersely.objective import GroupView, Objective, State

CAP = 32_000
ALPHA = {"paper": 0.4, "linear": 0.4}
"""Of the methods that have no usual one."""


def published(name: str, settings: Mapping[str, Any] | None = None) -> Objective:
    """The method with its authors' constants, or with these settings."""
    given = dict(settings or {})
    return Objective(given.pop("alpha", ALPHA.get(name)), name, settings=given)


@dataclass(frozen=True)
class Row:
    right: bool
    length: int
    judged: bool = True
    text: str = ""
    budget: int = 2000


def group_of(rows: Sequence[Row], cap: int = CAP, problem: str = "p", state: State | None = None) -> GroupView:
    """All that any method may ask for."""
    return GroupView(
        np.array([float(row.right) for row in rows]),
        np.array([float(row.length) for row in rows]),
        np.array([row.judged for row in rows]),
        np.zeros(len(rows), dtype=bool),
        cap,
        np.array([float(row.budget) for row in rows]),
        tuple(row.text for row in rows),
        problem,
        state,
    )


def draw_group(rng: np.random.Generator, rights: Callable[[int], np.ndarray]) -> GroupView:
    """2 to 16 siblings of 1 to CAP tokens, short ones and near ones among them; one budget for all."""
    n = int(rng.integers(2, 17))
    scale = CAP ** rng.uniform(0.1, 1.0)
    lengths = np.clip(rng.integers(1, max(2, int(scale)) + 1, n), 1, CAP)
    lengths[rng.random(n) < 0.1] = CAP - int(rng.integers(0, 20))
    texts = ["Wait, but " * int(rng.integers(0, 60)) for _ in range(n)]
    budget, right = int(rng.integers(100, CAP)), rights(n)
    return group_of(
        [Row(bool(right[i]), int(lengths[i]), text=texts[i], budget=budget) for i in range(n)],
        problem=f"p{rng.integers(0, 4)}",
    )


@dataclass(frozen=True)
class Setting:
    """A method as it is searched: its settings, and how many random steps its state has seen."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
