"""Which checkpoints are worth testing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tersely.tune.ladder import APART, GAP, RUNGS, frontier, gaps, may_pass, rungs
from tersely.tune.measured import Point


def at(tokens: float, change: float, error: float = 0.0, step: int = 5) -> Point:
    return Point(f"{tokens:g}", step, tokens, change, error, error)


MEASURED = [  # the ramp of the embedded reasoner, seed 11, against its base at 98.5
    at(57.9, 0.0125), at(49.7, 0.0125), at(47.2, 0.0121), at(46.1, 0.0117), at(43.8, 0.0121), at(38.9, 0.0079),
    at(33.6, 0.0017), at(32.5, 0.0008), at(31.9, -0.0029), at(31.4, -0.0046), at(32.5, 0.0033), at(29.8, -0.015),
]  # fmt: skip


def test_the_frontier_of_a_measured_ramp() -> None:
    assert [one.tokens for one in frontier(MEASURED)] == [49.7, 43.8, 38.9, 32.5, 31.9, 31.4, 29.8]


def test_the_rungs_are_apart_and_within_what_may_be_lost() -> None:
    assert [one.tokens for one in rungs(MEASURED, 0.01)] == [49.7, 43.8, 38.9, 32.5, 31.4]
    assert [one.tokens for one in rungs(MEASURED, 0.03)] == [49.7, 43.8, 38.9, 32.5, 31.4, 29.8]


def test_gaps_are_filled_between_rungs_and_behind_the_last() -> None:
    steep = [at(50, 0.01), at(47, 0.005), at(38, 0.0), at(30, -0.05)]
    assert [(a.tokens, b.tokens) for a, b in gaps(steep, 0.01)] == [(47, 38), (38, 30)]
    assert gaps([at(30, -0.05)], 0.01) == []


points = st.lists(
    st.builds(at, st.floats(1, 100), st.floats(-0.3, 0.1), st.floats(0, 0.05), st.integers(1, 100)), max_size=30
)


@given(points)
def test_nothing_on_the_frontier_is_beaten_and_all_else_is(found: list[Point]) -> None:
    line = frontier(found)
    assert all(a.tokens > b.tokens and a.change > b.change for a, b in pairwise(line))
    for one in found:
        assert any(kept.tokens <= one.tokens and kept.change >= one.change for kept in line)


@given(points, st.sampled_from([0.01, 0.03, 0.2]))
def test_rungs_go_from_careful_to_terse_and_stay_within_the_floor(found: list[Point], loss: float) -> None:
    kept = rungs(found, loss)
    assert len(kept) <= RUNGS
    assert all(may_pass(one, loss) for one in kept)
    assert all(b.tokens <= (1 - APART) * a.tokens and b.change < a.change for a, b in pairwise(kept))
    assert all(b.tokens < (1 - GAP) * a.tokens for a, b in gaps(found, loss))
