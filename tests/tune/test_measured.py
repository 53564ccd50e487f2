"""What a checkpoint scored, and how two are paired."""

from __future__ import annotations

import pytest

from tersely.tune.measured import Measured, most_accurate, point

BASE = Measured("base", 0, None, (2, 1, 0, 1), (2, 2, 2, 1), ((10, 20), (30, 40), (50, 60), (70, 80)))
MODEL = Measured("step-000005", 5, 0.025, (2, 2, 0, 0), (2, 2, 0, 2), ((5, 5), (5, 5), (5, 5), (5, 25)))


def test_a_point_is_paired_by_problem_without_what_nobody_could_judge() -> None:
    """Changes 0, .5, (unjudged), -1: mean -1/6, sample deviation sqrt(.58333)."""
    found = point(MODEL, BASE)
    assert found.change == pytest.approx(-1 / 6)
    assert found.spread == pytest.approx(0.583333**0.5, rel=1e-5)
    assert found.error == pytest.approx(found.spread / 3**0.5)
    assert (found.tokens, point(BASE, BASE).tokens) == (7.5, 45.0)
    assert point(MODEL, BASE, quantile=0.95).tokens == pytest.approx(18.0)


def test_it_is_read_as_it_was_written() -> None:
    assert Measured.from_json(MODEL.to_json()) == MODEL
    with pytest.raises(ValueError, match="different numbers"):
        Measured.from_json({**MODEL.to_json(), "right": [1]})


def test_the_most_accurate_is_the_first_of_equals() -> None:
    assert most_accurate([MODEL, BASE, BASE]) is MODEL
    assert MODEL.accuracy == pytest.approx(2 / 3)
