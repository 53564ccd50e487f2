"""The known best for a problem that is searched, in tokens of a response: what brevity costs at least.

All counts are exact: the response is written out word for word in the reasoner's own language, without redundancy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Stop:
    """An answer given at one point of the search."""

    tokens: int
    right: bool


@dataclass(frozen=True, slots=True)
class Optimum:
    """Of one problem. Example: ``Optimum(search=93, oracle=31, stops=(Stop(7, False), Stop(93, True)))``."""

    search: int
    """Of the plain search to its end, which is always right."""
    oracle: int
    """Of who knows where to look and shows it."""
    stops: tuple[Stop, ...]
    """Answers by how far the search went before them; the last one is the search itself."""


@dataclass(frozen=True, slots=True)
class Point:
    """What stopping at one point is worth, over many problems."""

    tokens: float
    accuracy: float


def frontier(optima: Sequence[Optimum]) -> list[Point]:
    """Mean tokens and accuracy of stopping everywhere at the same point, from the first one to never (at least one
    problem). A search that has ended by then has its own answer."""
    columns = zip_longest(*([*one.stops] for one in optima))
    ends = [one.stops[-1] for one in optima]
    points = []
    for column in columns:
        stops = [end if stop is None else stop for stop, end in zip(column, ends, strict=True)]
        points.append(Point(sum(s.tokens for s in stops) / len(stops), sum(s.right for s in stops) / len(stops)))
    return points
