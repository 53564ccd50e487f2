"""Invariants and golden numbers of ``tersely.analysis``: intervals, behaviours, frontier."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tersely.analysis import (
    Point,
    clustered_mean,
    clustered_rate,
    count_behaviours,
    dominance,
    paired_difference,
    paired_ratio,
    paired_saving,
    pass_at_k,
    trend,
)
from tersely.errors import UserError
from tersely.records import Estimate

LENGTHS = {"a": [10.0, 14.0], "b": [20.0, 22.0], "c": [31.0, 29.0], "d": [8.0, 12.0]}
SHORTER = {"a": [6.0, 8.0], "b": [15.0, 9.0], "c": [20.0, 20.0], "d": [8.0, 6.0]}


def estimate(value: float, reach: float | None = None, n: int = 100) -> Estimate:
    if reach is None:
        return Estimate(value, None, None, n, "none")
    return Estimate(value, value - reach, value + reach, n, "given")


def as_clusters(values_PK: np.ndarray) -> dict[str, list[float]]:
    return {str(i): [float(v) for v in row] for i, row in enumerate(values_PK)}


# --- golden numbers ---------------------------------------------------------------------------------------------------


def test_means_and_differences_have_the_values_they_always_had() -> None:
    found, change, ratio = clustered_mean(LENGTHS), paired_difference(LENGTHS, SHORTER), paired_ratio(LENGTHS, SHORTER)
    # By hand: problem means 12, 21, 30, 10 and 7, 12, 20, 7.
    assert (found.value, change.value, ratio.value) == pytest.approx((18.25, -11.5 + 4.75, 46 / 73))
    for each in (found, change, ratio):
        assert (each.low, each.high, each.n) == (None, None, 4)
        assert each.method == "no interval: too few to say (fewer than 20 problems)"


def test_values_without_a_tail_have_scipys_t_intervals() -> None:
    base = np.concatenate([np.arange(1.0, 13.0), -np.arange(1.0, 13.0)]) + 40
    model = base + np.tile([1.0, -1.0, 2.0, -2.0, 1.5, -1.5], 4) - 6
    found, change = clustered_mean(as_clusters(base[:, None])), paired_difference(*map(keyed_means, (base, model)))
    golden = stats.ttest_1samp(base, 0.0).confidence_interval(0.95)
    assert (found.low, found.high, found.n) == (pytest.approx(golden.low), pytest.approx(golden.high), 24)
    paired = stats.ttest_rel(model, base).confidence_interval(0.95)
    # Differences flatter than normal ones add a hair to Student's quantile.
    assert (change.low, change.high) == pytest.approx((paired.low, paired.high), rel=1e-3)


def keyed_means(values_P: np.ndarray) -> dict[str, list[float]]:
    return as_clusters(values_P[:, None])


def test_a_mean_of_what_is_never_negative_has_no_end_below_zero() -> None:
    rare = clustered_mean({str(i): [float(i < 2)] for i in range(40)})
    assert rare.low is not None
    assert rare.low >= 0


def test_several_comparisons_share_the_five_percent() -> None:
    rng = np.random.default_rng(1)
    sides = [keyed_means(rng.gamma(3, 20, 40)) for _ in range(2)]
    one, four = paired_difference(*sides), paired_difference(*sides, comparisons=4)
    assert one.low is not None
    assert four.low is not None
    assert four.low < one.low
    right = [keyed_means(1.0 * (rng.random(40) < 0.8)) for _ in range(2)]
    assert paired_difference(*right, rates=True, comparisons=4).low < paired_difference(*right, rates=True).low


def test_ratio_interval_agrees_with_fiellers_where_the_means_are_well_known() -> None:
    rng = np.random.default_rng(5)
    base = rng.gamma(9, 10, size=400)
    model = base * 0.5 + rng.gamma(4, 3, size=400)
    found = paired_ratio(as_clusters(base[:, None]), as_clusters(model[:, None]))
    # Fieller: the roots in r of (M - r B)^2 = t^2 Var(m - r b) / n.
    t2, cov = stats.t.ppf(0.975, 399) ** 2 / 400, np.cov(model, base)
    a = base.mean() ** 2 - t2 * cov[1, 1]
    b = -2 * (model.mean() * base.mean() - t2 * cov[0, 1])
    c = model.mean() ** 2 - t2 * cov[0, 0]
    roots = sorted(np.roots([a, b, c]).real)
    assert (found.low, found.high) == pytest.approx(roots, rel=2e-3)


def test_rate_without_spread_is_scipys_wilson_interval_with_n_problems() -> None:
    found = clustered_rate({str(i): [1.0, 1.0, 1.0] for i in range(30)})
    golden = stats.binomtest(30, 30).proportion_ci(0.95, method="wilson")
    assert (found.value, found.low, found.high) == pytest.approx((1.0, golden.low, golden.high), rel=1e-9)


def test_rate_with_one_response_a_problem_is_wilson_with_n_minus_one() -> None:
    # With k = 1, se^2 = p (1 - p) / (n - 1), so the effective size is n - 1: solve (p - x)^2 = q^2 x (1 - x) / m.
    n, p = 50, 0.9
    found = clustered_rate({str(i): [float(i < 45)] for i in range(n)})
    q2, m = stats.t.ppf(0.975, n - 1) ** 2, n - 1
    golden = sorted(np.roots([1 + q2 / m, -(2 * p + q2 / m), p * p]).real)
    assert (found.low, found.high) == pytest.approx(golden, rel=1e-9)


def test_pass_at_k_equals_the_share_of_subsets_with_a_correct_response() -> None:
    rows = {"a": [1.0, 0.0, 0.0, 1.0, 0.0], "b": [0.0] * 5, "c": [0.0, 0.0, 1.0, 0.0, 0.0]}
    for k in range(1, 6):
        shares = [np.mean([max(pick) for pick in itertools.combinations(row, k)]) for row in rows.values()]
        assert pass_at_k(rows, k).value == pytest.approx(float(np.mean(shares)), abs=1e-12)


def test_pass_at_k_leaves_out_problems_with_fewer_responses_and_says_so() -> None:
    assert pass_at_k({"a": [1.0, 0.0], "b": [0.0, 0.0], "c": [1.0]}, 2).n == 2
    with pytest.raises(ValueError, match="at least 3"):
        pass_at_k({"a": [1.0, 0.0]}, 3)
    with pytest.raises(ValueError, match="at least 1"):
        pass_at_k({"a": [1.0, 0.0]}, 0)


# --- degenerate cases -------------------------------------------------------------------------------------------------


def test_one_problem_has_no_interval() -> None:
    one, other = {"a": [1.0, 0.0]}, {"a": [1.0, 1.0]}
    found = [clustered_mean(one), clustered_rate(one), paired_difference(one, other), paired_ratio(one, other)]
    for each in [*found, pass_at_k(one, 1)]:
        assert (each.low, each.high, each.n) == (None, None, 1)
        assert "fewer than two" in each.method


def test_no_spread_gives_no_interval_for_means_and_a_wilson_one_for_rates() -> None:
    equal = {str(i): [7.0] for i in range(20)}
    assert clustered_mean(equal).low is None
    assert paired_ratio(equal, equal).low is None
    assert paired_difference(equal, equal).method.startswith("no interval")
    certain = {"a": [1.0], "b": [1.0]}
    assert 0 < (clustered_rate(certain).low or 0) < 1


def test_two_models_that_solve_everything_still_have_an_interval_of_their_difference() -> None:
    right = {str(i): [1.0, 1.0] for i in range(40)}
    found = paired_difference(right, right, rates=True)
    # No loss in 40: Clopper and Pearson's bound at half of the 5 %.
    reach = stats.binomtest(0, 40).proportion_ci(0.95, method="exact").high
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -reach, reach), rel=1e-9)


def test_empty_or_unpaired_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        clustered_mean({})
    with pytest.raises(ValueError, match="at least one"):
        clustered_rate({"a": []})
    with pytest.raises(ValueError, match="same problems"):
        paired_difference({"a": [1.0]}, {"b": [1.0]})
    with pytest.raises(ValueError, match="above zero"):
        paired_ratio({"a": [0.0], "b": [0.0]}, {"a": [1.0], "b": [2.0]})


# --- coverage: a nominal 95 % interval holds the truth in 90 to 98 % of seeded repetitions ---------------------------

REPETITIONS = 600


def share_covered(make, truth: float) -> float:
    hits = 0
    for seed in range(REPETITIONS):
        found = make(np.random.default_rng(seed))
        hits += found.low is not None and found.low <= truth <= found.high
    return hits / REPETITIONS


@pytest.mark.parametrize(("mean", "problems"), [(0.6, 40), (0.9, 100), (0.97, 100)])
def test_rate_interval_covers_clustered_accuracies(mean: float, problems: int) -> None:
    def make(rng: np.random.Generator) -> Estimate:
        chance_P = rng.beta(4 * mean, 4 * (1 - mean), size=problems)
        return clustered_rate(as_clusters(rng.random((problems, 4)) < chance_P[:, None]))

    assert 0.90 <= share_covered(make, mean) <= 0.98


def test_mean_interval_covers_long_tailed_lengths() -> None:
    def make(rng: np.random.Generator) -> Estimate:
        scale_P = rng.gamma(3, 20, size=60)
        return clustered_mean(as_clusters(rng.gamma(2, scale_P[:, None] / 2, size=(60, 4))))

    assert 0.90 <= share_covered(make, 60.0) <= 0.98


@pytest.mark.slow
def test_treating_responses_as_independent_would_not_cover() -> None:
    # The reason for clustering: eight identical siblings are one observation, not eight.
    def make(rng: np.random.Generator) -> Estimate:
        values = np.repeat(rng.random((50, 1)) < 0.7, 8, axis=1).ravel()
        return clustered_mean(as_clusters(values[:, None]))

    assert share_covered(make, 0.7) < 0.8


@pytest.mark.slow
def test_paired_intervals_cover_the_true_difference_and_the_true_ratio() -> None:
    def draw(rng: np.random.Generator) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        scale_P = rng.gamma(4, 25, size=60)
        base = rng.gamma(5, scale_P[:, None] / 5, size=(60, 4))
        return as_clusters(base), as_clusters(rng.gamma(5, 0.6 * scale_P[:, None] / 5, size=(60, 4)))

    assert 0.90 <= share_covered(lambda rng: paired_difference(*draw(rng)), -40.0) <= 0.98
    assert 0.90 <= share_covered(lambda rng: paired_ratio(*draw(rng)), 0.6) <= 0.98


# --- properties -------------------------------------------------------------------------------------------------------

COUNTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=2, max_size=20)
POSITIVE = st.lists(
    st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)).map(lambda p: (round(p[0], 3), round(p[1], 3))),
    min_size=20,
    max_size=40,
)


def keyed(rows) -> dict[str, list[float]]:
    return {str(i): [float(v) for v in row] for i, row in enumerate(rows)}


@given(COUNTS)
def test_rate_interval_lies_in_the_unit_interval_and_holds_the_rate(rows) -> None:
    found = clustered_rate(keyed(rows))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low


@given(COUNTS)
def test_rate_of_failures_is_the_mirror_image(rows) -> None:
    right, wrong = clustered_rate(keyed(rows)), clustered_rate(keyed([[1 - v for v in row] for row in rows]))
    assert (1 - right.value, 1 - right.high, 1 - right.low) == pytest.approx((wrong.value, wrong.low, wrong.high))


@given(POSITIVE, st.floats(0.1, 50))
def test_ratio_ignores_units_and_inverts_with_the_sides(pairs, unit) -> None:
    base, model = keyed([[p[0]] for p in pairs]), keyed([[p[1]] for p in pairs])
    found, back = paired_ratio(base, model), paired_ratio(model, base)
    scaled = paired_ratio(keyed([[p[0] * unit] for p in pairs]), keyed([[p[1] * unit] for p in pairs]))
    assert scaled.value == pytest.approx(found.value)
    if found.low is not None and back.low is not None:
        assert (1 / back.high, 1 / back.low) == pytest.approx((found.low, found.high))
        saving = paired_saving(base, model)
        assert (1 - saving.high, 1 - saving.low) == pytest.approx((found.low, found.high))


@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_problems_does_not_matter(rows, random) -> None:
    clusters = keyed(rows)
    names = list(clusters)
    random.shuffle(names)
    shuffled = {name: clusters[name] for name in names}
    one, other = clustered_mean(clusters), clustered_mean(shuffled)
    assert one.value == pytest.approx(other.value)
    assert (one.low is None) == (other.low is None)


@given(COUNTS)
def test_pass_at_k_never_falls_with_k(rows) -> None:
    clusters = keyed([[*row, 0, 0, 0, 0][:5] for row in rows])
    values = [pass_at_k(clusters, k).value for k in range(1, 6)]
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(values))
    first, accuracy = pass_at_k(clusters, 1), clustered_rate(clusters)
    assert (first.value, first.low, first.high) == pytest.approx((accuracy.value, accuracy.low, accuracy.high))


# --- behaviours -------------------------------------------------------------------------------------------------------


def test_default_phrases_count_whole_words_in_any_case() -> None:
    text = "Wait, check this. WAIT - actually no. On  second\nthought, verify; Alternatively another way? confirm"
    assert count_behaviours(text) == {"verification": 3, "backtracking": 4, "exploration": 2}


def test_parts_of_words_do_not_count() -> None:
    text = "waiting waiter checked checkmate unconfirm await factually wait_for"
    assert count_behaviours(text) == {"verification": 0, "backtracking": 0, "exploration": 0}


def test_own_lists_replace_the_defaults_and_are_checked() -> None:
    assert count_behaviours("Hmm, c++? hmm", {"doubt": ["hmm", "c++"]}) == {"doubt": 3}
    for bad in ([], [""], ["..."]):
        with pytest.raises(UserError, match="doubt"):
            count_behaviours("text", {"doubt": bad})


def test_longer_phrases_win_over_their_beginnings() -> None:
    assert count_behaviours("another way out", {"x": ["another", "another way"]}) == {"x": 1}


# --- frontier ---------------------------------------------------------------------------------------------------------


def test_dominance_needs_to_be_no_worse_on_both_axes_and_better_on_one() -> None:
    points = [
        Point("base", estimate(93, 2), estimate(0.85, 0.01)),
        Point("good", estimate(40, 2), estimate(0.96, 0.01)),
        Point("twin", estimate(40, 2), estimate(0.96, 0.01)),
        Point("near", estimate(41, 2), estimate(0.955, 0.01)),
        Point("terse", estimate(20, 2), estimate(0.80, 0.01)),
    ]
    found = {each.name: each for each in dominance(points)}
    assert found["base"].by == ("good", "twin", "near")
    assert found["base"].clearly_by == ("good", "twin", "near")
    assert found["near"].by == ("good", "twin")
    assert found["near"].clearly_by == ()
    assert [each.name for each in found.values() if not each.dominated] == ["good", "twin", "terse"]


def test_a_point_without_intervals_is_never_clearly_dominated() -> None:
    found = dominance([Point("a", estimate(9), estimate(0.5)), Point("b", estimate(1), estimate(0.9))])
    assert found[0].by == ("b",)
    assert found[0].clearly_by == ()


ALPHAS = [0.0, 0.05, 0.1, 0.2]


def test_trend_says_that_tokens_fall() -> None:
    found = trend("tokens", ALPHAS, [estimate(v, 1) for v in (93, 60, 44, 38)])
    assert found.falls
    assert found.words == "tokens fall with alpha: 93 > 60 > 44 > 38, every neighbouring step beyond its interval"


def test_neighbours_look_alike_in_a_trend_only_where_they_are() -> None:
    found = trend("tokens", ALPHAS[:3], [estimate(v, 1) for v in (65.44, 65.41, 60)])
    assert "65.44 > 65.41 > 60" in found.words
    still = trend("tokens", ALPHAS[:3], [estimate(65.4, 1) for _ in range(3)])
    assert still.words == "tokens do not change with alpha: 65.4 throughout"


def test_trend_counts_the_steps_beyond_their_intervals() -> None:
    found = trend("length", ALPHAS, [estimate(v, 2) for v in (93, 60, 44, 43)])
    assert found.falls
    assert "2 of 3 neighbouring steps beyond" in found.words


def test_a_rise_within_the_interval_does_not_break_the_fall_but_one_beyond_does() -> None:
    mild = trend("length", ALPHAS, [estimate(v, 2) for v in (93, 60, 61, 38)])
    assert (mild.falls, mild.falls_within_intervals) == (False, True)
    assert "from 0.05 to 0.1 it rises, but within the interval" in mild.words
    wild = trend("length", ALPHAS, [estimate(v, 2) for v in (93, 60, 70, 38)])
    assert (wild.falls, wild.falls_within_intervals) == (False, False)
    assert "does not fall steadily" in wild.words
    assert "beyond the intervals: a rise from 0.05 to 0.1, a fall from 0 to 0.05 and from 0.1 to 0.2" in wild.words


def test_noise_is_not_called_a_trend_in_either_direction() -> None:
    falling = trend("accuracy", ALPHAS, [estimate(v, 0.01) for v in (0.970, 0.969, 0.968, 0.967)], percent=True)
    assert falling.words.startswith("accuracy does not change measurably with alpha: 97.0 % > 96.9 %")
    mixed = trend("accuracy", ALPHAS, [estimate(v, 0.01) for v in (0.970, 0.975, 0.968, 0.971)])
    assert "does not change measurably" in mixed.words


def test_trend_uses_the_paired_steps_it_is_given() -> None:
    values = [estimate(0.97, 0.02), estimate(0.95, 0.02)]
    assert "not change measurably" in trend("accuracy", [0.0, 0.1], values).words
    sharp = [estimate(-0.02, 0.01)]
    assert "falls with alpha" in trend("accuracy", [0.0, 0.1], values, steps=sharp, ends=sharp[0]).words


def test_a_rising_quantity_is_said_to_rise() -> None:
    found = trend("accuracy", [0.0, 0.1, 0.2], [estimate(v, 0.01) for v in (0.8, 0.9, 0.95)])
    assert found.words.startswith("accuracy rises with alpha")


def test_trend_refuses_lists_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="strictly rising"):
        trend("x", [0.1, 0.1], [estimate(1), estimate(2)])
    with pytest.raises(ValueError, match="1 steps, not 2"):
        trend("x", [0.1, 0.2], [estimate(1), estimate(2)], steps=[estimate(1), estimate(2)])


@pytest.mark.slow
def test_analysis_pulls_in_no_heavy_package() -> None:
    code = (
        "import sys, tersely.analysis; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'matplotlib', 'scipy.stats')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
