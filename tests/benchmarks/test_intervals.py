"""benchmarks/intervals.py: every simulation knows its truth, and the page says what was found."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import intervals

REPETITIONS = 40


def test_most_of_a_few_intervals_hold_their_truth() -> None:
    for simulation, truths in intervals.SIMULATIONS:
        shares = intervals.shares_covered(simulation, truths, REPETITIONS)
        assert shares.keys() == truths.keys()
        # 95 % nominal; of 40 fewer than 33 are held in one of 15,000 tries.
        assert min(shares.values()) >= 33 / REPETITIONS, shares


def test_an_interval_beside_the_truth_or_without_an_end_holds_nothing() -> None:
    def beside(rng: np.random.Generator) -> dict[str, intervals.Estimate]:
        low = rng.random()
        return {"a": intervals.Estimate(2.0, 1 + low, 3.0, 4, "t"), "b": intervals.Estimate(2.0, None, None, 1, "none")}

    assert intervals.shares_covered(beside, {"a": 0.5, "b": 2.0}, 5) == {"a": 0.0, "b": 0.0}


def test_the_page_says_how_often_and_of_how_many() -> None:
    text = intervals.page({"tokens": 0.9512}, 5000)
    assert "| tokens | 95.1% |" in text
    assert "Share of 5,000 simulated evaluations" in text
    assert "±0.6 points" in text
