"""Bounds for "loses at most X": against exact ones, against draws, and what must hold for all samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tersely.analysis.bounded import chance_at_most, fewest_problems, loss_bound, mean_interval_within

CHANGES = st.lists(st.integers(-4, 4).map(lambda n: n / 4), min_size=1, max_size=40)


@pytest.mark.parametrize(("problems", "lost"), [(300, 0), (300, 1), (100, 7), (1, 0), (2, 1), (1200, 11)])
@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.999])
def test_for_problems_lost_or_not_it_is_clopper_and_pearsons_bound(problems: int, lost: int, confidence: float) -> None:
    golden = stats.binomtest(lost, problems, alternative="less").proportion_ci(confidence, method="exact").high
    assert loss_bound([-1.0] * lost + [0.0] * (problems - lost), confidence) == pytest.approx(-golden, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "k"), [(8, 1), (30, 4), (150, 10)])
def test_in_general_it_is_the_quantile_of_means_over_random_spacings(problems: int, k: int) -> None:
    # Learned-Miller and Thomas write the same with order statistics: 1 - sum of U_(i) (z_(i+1) - z_(i)), z in [0, 1].
    rng = np.random.default_rng(problems)
    changes = (rng.binomial(k, 0.8, problems) - rng.binomial(k, 0.85, problems)) / k
    z = np.append(np.sort((1 - changes) / 2), 1.0)  # the share lost, the worst last
    uniform = np.sort(rng.random((100_000, problems)), axis=1)
    golden = np.quantile(1 - uniform @ np.diff(z), 0.95)
    assert loss_bound(changes) == pytest.approx(1 - 2 * golden, abs=4e-3 / math.sqrt(problems))


def test_two_losses_of_a_half_by_hand() -> None:
    # Values -1/2, -1/2 and the lost one, -1: the mean is -1/2 - W/2, and P(W > w) = (1 - w)^2.
    w = 1 - math.sqrt(0.05)
    assert loss_bound([-0.5, -0.5]) == pytest.approx(-0.5 - w / 2, abs=1e-9)


def test_for_many_problems_it_approaches_the_normal_bound() -> None:
    changes = np.random.default_rng(1).choice([-1.0, -0.5, 0.0, 0.5, 1.0], 20_000, p=[0.05, 0.1, 0.7, 0.1, 0.05])
    golden = changes.mean() - 1.6449 * changes.std() / math.sqrt(changes.size)
    assert loss_bound(changes) == pytest.approx(golden, abs=1.5e-4)


def test_no_loss_at_all_still_leaves_a_loss_open_and_says_how_many_problems_close_it() -> None:
    assert loss_bound([0.0] * 298) < -0.01 <= loss_bound([0.0] * 299)
    assert (fewest_problems(0.01), fewest_problems(0.03), fewest_problems(0.01, 0.99)) == (299, 99, 459)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fewest_problems(0.0)


@pytest.mark.parametrize(
    ("changes", "confidence", "words"),
    [([], 0.95, "at least one"), ([-1.2], 0.95, "between -1"), ([0.0], 1.0, "confidence"), ([0.0], 0.4, "confidence")],
)
def test_what_has_no_bound_is_refused(changes: list[float], confidence: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        loss_bound(changes, confidence)


@given(CHANGES)
def test_the_bound_lies_between_total_loss_and_the_mean(changes) -> None:
    assert -1.0 <= loss_bound(changes) <= np.mean(changes) + 1e-12


@given(CHANGES, st.integers(0, 39), st.randoms(use_true_random=False))
def test_a_better_problem_never_lowers_it_and_the_order_does_not_matter(changes, place, random) -> None:
    better = list(changes)
    better[place % len(changes)] = min(1.0, better[place % len(changes)] + 0.5)
    random.shuffle(better)
    assert loss_bound(better) >= loss_bound(changes) - 1e-8


@given(CHANGES)
def test_more_confidence_never_raises_it(changes) -> None:
    bounds = [loss_bound(changes, confidence) for confidence in (0.9, 0.95, 0.99)]
    assert bounds[0] >= bounds[1] - 1e-8 >= bounds[2] - 2e-8


@given(CHANGES)
def test_the_interval_of_mirrored_values_is_mirrored_and_its_ends_are_where_the_chance_is_spent(changes) -> None:
    values = np.array(changes)
    low, high = mean_interval_within(values, -1.0, 1.0, 0.9)
    assert mean_interval_within(-values, -1.0, 1.0, 0.9) == pytest.approx((-high, -low))
    if low > -1 + 1e-6:
        assert chance_at_most(values, -1.0, low) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize(
    "world", ["lost", pytest.param("half", marks=pytest.mark.slow), pytest.param("noise", marks=pytest.mark.slow)]
)
def test_rare_losses_are_certified_falsely_in_no_more_than_the_nominal_share(world: str) -> None:
    # 1 % of problems always lost, n = 300, k = 8: t certifies "at most 1 point" falsely in 13 to 20 %.
    rng, trials, false, by_t = np.random.default_rng(2), 1500, 0, 0
    for _ in range(trials):
        u, chance = rng.random(300), rng.beta(19, 1, 300)
        noise = (rng.binomial(8, chance) - rng.binomial(8, chance)) / 8 if world == "noise" else 0.0
        lost = -rng.binomial(8, 0.5, 300) / 8 * (u < 0.02) if world == "half" else -1.0 * (u < 0.01)
        changes = np.where(u < 0.01, -1.0, noise) if world == "noise" else lost
        false += chance_at_most(changes, -1.0, -0.01) <= 0.05
        by_t += changes.mean() - stats.t.ppf(0.95, 299) * changes.std(ddof=1) / math.sqrt(300) >= -0.01
    assert false / trials <= 0.065  # 0.05 and its counting error
    assert by_t / trials > 0.065
