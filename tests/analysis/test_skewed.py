"""Intervals of means and ratios: t where nothing is skewed, Hall's transformation where it is, and what they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from tersely.analysis.skewed import (
    UNSEEN,
    UNSEEN_EITHER_WAY,
    difference_interval,
    mean_interval,
    ratio_interval,
    wide_quantile,
)

VALUES = st.lists(st.integers(0, 1000).map(float), min_size=20, max_size=40).filter(lambda v: len(set(v)) > 3)


def test_without_skewness_the_mean_has_scipys_t_interval() -> None:
    values = np.concatenate([np.arange(1.0, 13.0), -np.arange(1.0, 13.0)]) + 40
    golden = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean_interval(values, 0.95) == pytest.approx((golden.low, golden.high), rel=1e-9)


def hall(mean: float, values: np.ndarray) -> float:
    """The transformed statistic written out with scipy's skewness, as if the true mean were ``mean``."""
    n, t = values.size, (values.mean() - mean) / values.std(ddof=1)
    g = stats.skew(values, bias=False) * (1 + UNSEEN / n)
    return math.sqrt(n) * (t + g * t**2 / 3 + g**2 * t**3 / 27 + g / (6 * n))


def test_the_ends_of_a_skewed_mean_are_where_halls_statistic_meets_the_quantile() -> None:
    values = np.random.default_rng(4).lognormal(0, 1, 40)
    low, high = mean_interval(values, 0.9)
    quantile = stats.t.ppf(0.95, 39)
    assert low == pytest.approx(optimize.brentq(lambda m: hall(m, values) - quantile, -50, 50), rel=1e-9)
    assert high == pytest.approx(optimize.brentq(lambda m: hall(m, values) + quantile, -50, 50), rel=1e-9)
    assert high - values.mean() > 1.5 * (values.mean() - low)  # the tail that the sample lacks lies above


def test_differences_have_the_t_interval_with_edgeworths_term_on_both_sides() -> None:
    values = np.random.default_rng(5).lognormal(0, 0.8, 60) - 1
    n, x = 60, stats.norm.ppf(0.975)
    g, k = stats.skew(values, bias=False) * (1 + UNSEEN_EITHER_WAY / n), stats.kurtosis(values)
    quantile = stats.t.ppf(0.975, n - 1) + x / n * (g**2 * (x**4 + 2 * x**2 - 3) / 18 - k * (x**2 - 3) / 12)
    reach = quantile * stats.sem(values)
    found = difference_interval(values, 0.95)
    assert found == pytest.approx((values.mean() - reach, values.mean() + reach), rel=1e-9)
    symmetric = np.concatenate([values, -values])
    golden = stats.ttest_1samp(symmetric, 0.0).confidence_interval(0.95)
    assert difference_interval(symmetric, 0.95) == pytest.approx((golden.low, golden.high), rel=1e-9)


def test_the_ends_of_a_ratio_are_where_the_mean_difference_is_so_many_errors_off() -> None:
    rng = np.random.default_rng(5)
    base = rng.lognormal(0, 0.8, 60)
    model = base * rng.uniform(0.3, 0.9, 60)
    ratio = model.mean() / base.mean()
    quantile = wide_quantile(model - ratio * base, 0.95)

    def off(r: float) -> float:
        return (model - r * base).mean() / stats.sem(model - r * base)

    golden = [
        optimize.brentq(lambda r: off(r) - quantile, 0.1, ratio),
        optimize.brentq(lambda r: off(r) + quantile, ratio, 2),
    ]
    assert ratio_interval(base, model, 0.95) == pytest.approx(golden, rel=1e-9)


def test_a_base_that_may_be_zero_has_no_ratio_and_a_model_that_may_be_zero_none_above_zero() -> None:
    rare = np.zeros(40)
    rare[0] = 5.0
    usual = np.random.default_rng(6).gamma(4, 1, 40)
    assert ratio_interval(rare, usual, 0.95) is None
    found = ratio_interval(usual, rare, 0.95)
    assert found is not None
    assert found[0] == 0.0 < found[1]


@given(VALUES, st.floats(0.1, 50))
def test_units_and_mirrors_move_the_interval_with_the_values(found, unit) -> None:
    values = np.array(found)
    low, high = mean_interval(values, 0.95)
    assert low <= values.mean() <= high
    assert mean_interval(-unit * values, 0.95) == pytest.approx((-unit * high, -unit * low), rel=1e-6, abs=1e-6)


WORLDS = {
    "gamma": (lambda rng, n: rng.gamma(3, 20, n), 60.0),
    "lognormal": (lambda rng, n: rng.lognormal(0, 0.8, n), math.exp(0.32)),
    "very skewed": (lambda rng, n: rng.lognormal(0, 1.0, n), math.exp(0.5)),
}


@pytest.mark.parametrize("world", WORLDS)
def test_thirty_skewed_values_are_enough(world: str) -> None:
    draw, truth = WORLDS[world]
    rng, held, by_t = np.random.default_rng(7), 0, 0
    for _ in range(1500):
        values = draw(rng, 30)
        low, high = mean_interval(values, 0.95)
        held += low <= truth <= high
        by_t += abs(values.mean() - truth) <= stats.t.ppf(0.975, 29) * values.std(ddof=1) / math.sqrt(30)
    assert 0.92 <= held / 1500 <= 0.975  # 0.95 and its counting error; very skewed ones come to 0.93
    assert held > by_t


def test_ratios_hold_when_easy_problems_save_more() -> None:
    rng, held, told = np.random.default_rng(8), 0, 0
    z = rng.standard_normal(2_000_000)
    truth = np.mean(np.exp(0.8 * z) * np.clip(0.6 + 0.25 * z, 0.1, 1)) / math.exp(0.32)
    for _ in range(1500):
        z = rng.standard_normal(30)
        base = np.exp(0.8 * z) * rng.gamma(6, 1 / 6, 30)
        model = np.exp(0.8 * z) * np.clip(0.6 + 0.25 * z, 0.1, 1) * rng.gamma(6, 1 / 6, 30)
        if (found := ratio_interval(base, model, 0.95)) is not None:
            told += 1
            held += found[0] <= truth <= found[1]
    assert told >= 0.98 * 1500  # in the others the sample cannot tell
    assert 0.925 <= held / told <= 0.975
