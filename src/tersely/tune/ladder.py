"""Which models are worth testing: the measured frontier, its rungs well apart, its gaps to be filled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tersely.tune.measured import Point

RUNGS = 8
"""At most so many are tested, the tersest."""
APART = 0.03
"""Neighbours differ by at least this share of tokens: a test of each costs more than that is worth."""
GAP = 0.08
"""A larger step than this is filled by weights in between."""


def frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in tokens and accuracy both, longest first.

    Every checkpoint counts by its own measurement alone: single ones dip for a few steps, so neighbours say nothing.
    """
    kept: list[Point] = []
    for one in sorted(points, key=lambda p: (p.tokens, -p.change, p.step)):
        if not kept or one.change > kept[-1].change:
            kept.append(one)
    return kept[::-1]


def may_pass(one: Point, loss: float) -> bool:
    """Whether its measurement leaves a fair chance that it loses no more than ``loss``."""
    return one.change >= -loss + 0.5 * one.error


def rungs(points: Sequence[Point], loss: float) -> list[Point]:
    """The candidates from careful to terse: on the frontier, within what may be lost, apart, the tersest ``RUNGS``."""
    kept: list[Point] = []
    for one in frontier(points):
        if may_pass(one, loss) and (not kept or one.tokens <= (1 - APART) * kept[-1].tokens):
            kept.append(one)
    return kept[-RUNGS:]


def gaps(points: Sequence[Point], loss: float) -> list[tuple[Point, Point]]:
    """Neighbouring rungs more than ``GAP`` apart, and the tersest rung with what lies just beyond the floor."""
    kept = rungs(points, loss)
    if not kept:
        return []
    beyond = [one for one in frontier(points) if one.tokens < kept[-1].tokens and not may_pass(one, loss)]
    return [(a, b) for a, b in pairwise([*kept, *beyond[:1]]) if b.tokens < (1 - GAP) * a.tokens]
