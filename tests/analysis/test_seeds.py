"""Several seeds and whole families: no interval where none holds, else both variances; all steps together."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tersely.analysis.intervals import clustered_mean, clustered_rate
from tersely.analysis.seeds import FEWEST_SEEDS, THESE_MODELS, family_steps, over_seeds
from tersely.records import Estimate, Unit


def seed(value: float, error: float = 0.5, n: int = 101) -> Estimate:
    """An estimate over n problems with that standard error."""
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    return Estimate(value, value - reach, value + reach, n, "t over problems")


def clusters(values_P: np.ndarray) -> dict[str, list[float]]:
    return {str(i): [float(v)] for i, v in enumerate(values_P)}


@pytest.mark.parametrize("count", [2, 3, FEWEST_SEEDS - 1])
def test_few_seeds_have_a_mean_and_no_interval_whether_they_agree_or_not(count: int) -> None:
    for values in ([4.0] * count, [4.0 + i for i in range(count)]):
        found = over_seeds([seed(value) for value in values])
        assert found is not None
        assert found.value == pytest.approx(np.mean(values))
        assert (found.low, found.high, found.n, found.unit) == (None, None, count, Unit.SEEDS)
        assert "too few seeds to say" in found.method


def test_one_seed_is_what_it_was_and_none_is_none() -> None:
    assert over_seeds([None, seed(4.0)]) == seed(4.0)
    assert over_seeds([None]) is None


def test_the_variance_is_that_between_seeds_over_their_number_plus_that_over_problems() -> None:
    values = [3.0, 5.0] * 5
    found = over_seeds([seed(v, 0.5, 101) for v in values])
    between, problems = np.var(values, ddof=1) / 10, 0.25
    freedom = (between + problems) ** 2 / (between**2 / 9 + problems**2 / 100)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(between + problems)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((4.0, 4 - reach, 4 + reach), rel=1e-9)


def test_seeds_that_agree_keep_the_doubt_of_the_problems() -> None:
    found = over_seeds([seed(0.99, 0.01)] * 10, (0.0, 1.0))
    assert found is not None
    assert found.high == 1.0  # cut to what is possible
    assert found.low == pytest.approx(0.99 - stats.t.ppf(0.975, 100) * 0.01, rel=1e-9)


def test_a_seed_without_an_interval_leaves_the_mean_without_one() -> None:
    found = over_seeds([*[seed(4.0)] * 10, Estimate(4.0, None, None, 1, "none")])
    assert found is not None
    assert (found.low, found.method) == (None, "no interval: one of the seeds has none")


@pytest.mark.slow
def test_ten_seeds_in_two_heaps_are_held_and_three_would_not_be() -> None:
    rng, held = np.random.default_rng(0), {3: 0, 10: 0}
    for count in held:
        for _ in range(1000):
            heaps = 1.0 * (rng.random(count) < 0.5) + 0.01 * rng.standard_normal(count)
            found = over_seeds([seed(v, 0.05) for v in heaps], fewest=2)
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            held[count] += found.low <= 0.5 <= found.high
    assert held[10] >= 930
    assert held[3] <= 800


# --- families ---------------------------------------------------------------------------------------------------------


def test_steps_of_one_seed_are_each_sharper_than_all_together_and_say_for_whom() -> None:
    rng = np.random.default_rng(1)
    members = [[clusters(rng.gamma(3, 20, 50))] for _ in range(5)]
    steps, ends = family_steps(members)
    assert len(steps) == 4
    alone, _ = family_steps(members[:2])
    assert alone[0].value == steps[0].value
    assert alone[0].low > steps[0].low
    assert "5 comparisons together" in ends.method
    assert "comparisons" not in alone[0].method
    assert all(THESE_MODELS in step.method for step in [*steps, ends, *alone])


def test_five_seeds_are_compared_seed_by_seed() -> None:
    rng = np.random.default_rng(2)
    members = [[clusters(level + rng.gamma(3, 20, 50)) for _ in range(5)] for level in (0.0, 40.0)]
    (step,), ends = family_steps(members)
    assert (step.unit, step.n) == (Unit.SEEDS, 5)
    assert step == ends
    assert step.value == pytest.approx(40.0, abs=15)


@pytest.mark.slow
def test_where_nothing_changes_hardly_a_family_shows_a_step() -> None:
    rng, false, one_by_one = np.random.default_rng(3), 0, 0
    for _ in range(400):
        scale = rng.gamma(4, 25, 40)
        values = [scale * rng.gamma(6, 1 / 6, 40) for _ in range(5)]
        steps, _ = family_steps([[clusters(v)] for v in values])
        false += any(step.low > 0 or step.high < 0 for step in steps)
        tests = [stats.ttest_rel(a, b).pvalue for a, b in itertools.pairwise(values)]
        one_by_one += min(tests) < 0.05
    assert false / 400 <= 0.075  # nominal 0.05 and its counting error
    assert one_by_one / 400 > 0.1


def test_a_family_of_one_has_no_steps() -> None:
    with pytest.raises(ValueError, match="two members"):
        family_steps([[{"a": [1.0]}]])


def test_estimates_of_seeds_are_taken_as_they_come() -> None:
    rng = np.random.default_rng(4)
    right = [clustered_rate({str(i): [float(rng.random() < 0.9)] for i in range(60)}) for _ in range(10)]
    joint = over_seeds(right, (0.0, 1.0))
    assert joint is not None
    assert joint.low is not None
    spent = over_seeds([clustered_mean(clusters(rng.gamma(3, 20, 60))) for _ in range(10)])
    assert spent is not None
    assert spent.low is not None
    assert 0 <= joint.low <= joint.value <= 1
    assert spent.low < spent.value
