"""Invariants of the objective for every group hypothesis can think of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tersely.objective import Objective
from tersely.objective.advantage import ADVANTAGES, GROUP_EPS, NORMALIZATIONS

alphas = st.floats(0, 1, exclude_max=True)
methods = st.sampled_from(["linear", "paper"])
baselines = st.sampled_from(sorted(ADVANTAGES))
normalizations = st.sampled_from(sorted(NORMALIZATIONS))
rows = st.tuples(st.booleans(), st.integers(0, 40_000), st.booleans())
groups = st.lists(rows, min_size=1, max_size=12)
judged_groups = st.lists(rows, min_size=2, max_size=12).map(lambda g: [(c, n, True) for c, n, _ in g])


def columns(group: list[tuple[bool, int, bool]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    correct, lengths, judged = zip(*group, strict=True)
    return np.array(correct), np.array(lengths, dtype=float), np.array(judged)


@given(alphas, methods, groups)
def test_rewards_lie_in_the_unit_interval_and_correct_beats_wrong(alpha: float, method: str, group: list) -> None:
    correct, lengths, judged = columns(group)
    credit = Objective(alpha, method).credit(correct, lengths, judged)
    assert (credit.rewards_G >= 0).all()
    assert (credit.rewards_G <= 1).all()
    # Strictly: even the longest correct one stays above every wrong one, which has 0.
    assert (credit.rewards_G[correct & judged] > 0).all()
    assert (credit.rewards_G[correct & judged] >= (1 - alpha) * (1 - 1e-12)).all()
    assert (credit.rewards_G[~(correct & judged)] == 0).all()


@given(alphas, methods, judged_groups)
def test_among_correct_ones_longer_never_earns_more(alpha: float, method: str, group: list) -> None:
    correct, lengths, judged = columns(group)
    credit = Objective(alpha, method).credit(correct, lengths, judged)
    order = np.argsort(lengths[correct], kind="stable")
    assert (np.diff(credit.rewards_G[correct][order]) <= 0).all()
    assert (np.diff(credit.advantages_G[correct][order]) <= 0).all()


@given(st.floats(0.01, 0.99), judged_groups)
def test_sigmoid_always_rewards_the_shorter_of_two_correct_ones(alpha: float, group: list) -> None:
    correct, lengths, judged = columns(group)
    rewards = Objective(alpha).credit(correct, lengths, judged).rewards_G[correct]
    sizes = lengths[correct]
    assert all(rewards[i] > rewards[j] for i in range(sizes.size) for j in range(sizes.size) if sizes[i] < sizes[j])


@given(alphas, methods, baselines, normalizations, groups, st.randoms(use_true_random=False))
def test_permuting_siblings_permutes_their_credit(
    alpha: float, method: str, baseline: str, normalize: str, group: list, random: object
) -> None:
    objective = Objective(alpha, method, baseline, normalize)
    order = list(range(len(group)))
    random.shuffle(order)  # type: ignore[attr-defined]
    before = objective.credit(*columns(group))
    after = objective.credit(*columns([group[i] for i in order]))
    np.testing.assert_allclose(after.rewards_G, before.rewards_G[order], rtol=0, atol=1e-14)
    np.testing.assert_allclose(after.advantages_G, before.advantages_G[order], rtol=1e-9, atol=1e-12)


@given(methods, groups)
def test_alpha_zero_is_accuracy(method: str, group: list) -> None:
    correct, lengths, judged = columns(group)
    credit = Objective(0, method).credit(correct, lengths, judged)
    assert credit.rewards_G.tolist() == (correct & judged).astype(float).tolist()


@given(alphas, methods, baselines, st.lists(st.booleans(), min_size=2, max_size=12), st.integers(0, 40_000))
def test_equal_lengths_scale_the_accuracy_advantages(
    alpha: float, method: str, baseline: str, correct: list, length: int
) -> None:
    lengths = [length] * len(correct)
    got = Objective(alpha, method, baseline).credit(correct, lengths).advantages_G
    accuracy = Objective(0, method, baseline).credit(correct, lengths).advantages_G
    np.testing.assert_allclose(got, (1 - alpha / 2) * accuracy, rtol=0, atol=1e-14)


@given(alphas, methods, baselines, st.sampled_from(["none", "group"]), groups)
def test_advantages_of_a_group_sum_to_zero(
    alpha: float, method: str, baseline: str, normalize: str, group: list
) -> None:
    credit = Objective(alpha, method, baseline, normalize).credit(*columns(group))
    # Rewards near 1 are rounded to 2^-52, and where they differ by little more, a division by 1e-8 shows it.
    rounding = len(group) * np.finfo(np.float64).eps / GROUP_EPS if normalize == "group" else 0.0
    assert abs(credit.advantages_G.sum()) <= 1e-9 * (1 + np.abs(credit.advantages_G).max()) + rounding


def test_advantages_of_rewards_that_differ_by_one_rounding_sum_to_zero_but_for_it() -> None:
    credit = Objective(1e-15, "linear", "mean", "group").credit([True, True], [0, 1])
    assert abs(credit.advantages_G.sum()) <= 2 * np.finfo(np.float64).eps / GROUP_EPS


@given(alphas, baselines, st.lists(groups, max_size=5))
def test_batch_advantages_sum_to_zero_over_the_tokens_of_the_step(alpha: float, baseline: str, step: list) -> None:
    arrays = [columns(group) for group in step]
    credits = Objective(alpha, "paper", baseline, "batch").credits(arrays)
    total = sum(float(c.advantages_G @ lengths) for c, (_, lengths, _) in zip(credits, arrays, strict=True))
    tokens = sum(float(lengths.sum()) for _, lengths, _ in arrays)
    assert abs(total) <= 1e-8 * (1 + tokens)


@given(alphas, methods, judged_groups, st.floats(1e-3, 1e6))
def test_scaling_all_lengths_leaves_the_rewards(alpha: float, method: str, group: list, factor: float) -> None:
    correct, lengths, judged = columns(group)
    objective = Objective(alpha, method)
    scaled = objective.credit(correct, lengths * factor, judged).rewards_G
    np.testing.assert_allclose(scaled, objective.credit(correct, lengths, judged).rewards_G, rtol=0, atol=1e-11)


@given(alphas, methods, judged_groups, st.integers(0, 10_000))
def test_adding_a_constant_to_all_lengths_leaves_the_rewards(
    alpha: float, method: str, group: list, offset: int
) -> None:
    correct, lengths, judged = columns(group)
    objective = Objective(alpha, method)
    shifted = objective.credit(correct, lengths + offset, judged).rewards_G
    np.testing.assert_array_equal(shifted, objective.credit(correct, lengths, judged).rewards_G)


@given(alphas, methods, judged_groups)
def test_rloo_is_brute_force_leave_one_out(alpha: float, method: str, group: list) -> None:
    credit = Objective(alpha, method).credit(*columns(group))
    rewards = credit.rewards_G.tolist()
    brute = [r - np.mean(rewards[:i] + rewards[i + 1 :]) for i, r in enumerate(rewards)]
    np.testing.assert_allclose(credit.advantages_G, brute, rtol=0, atol=1e-14)


@given(baselines, st.lists(st.floats(0, 1), min_size=2, max_size=12), st.floats(-1, 1))
def test_adding_a_constant_to_the_rewards_leaves_the_advantages(baseline: str, rewards: list, shift: float) -> None:
    estimate = ADVANTAGES[baseline]
    np.testing.assert_allclose(estimate(np.array(rewards) + shift), estimate(np.array(rewards)), rtol=0, atol=1e-14)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_rloo_is_the_mean_baseline_times_n_over_n_minus_1(rewards: list) -> None:
    n = len(rewards)
    arr = np.array(rewards)
    np.testing.assert_allclose(ADVANTAGES["rloo"](arr), ADVANTAGES["mean"](arr) * n / (n - 1), rtol=0, atol=1e-14)


@given(alphas, methods, judged_groups)
def test_wrong_responses_have_no_say_in_the_length_statistics(alpha: float, method: str, group: list) -> None:
    correct, lengths, judged = columns(group)
    objective = Objective(alpha, method)
    moved = np.where(correct, lengths, 7 * lengths + 3)
    np.testing.assert_array_equal(
        objective.credit(correct, moved, judged).rewards_G, objective.credit(correct, lengths, judged).rewards_G
    )


huge = st.floats(0, 1.7e308, allow_subnormal=True)
huge_groups = st.lists(st.tuples(st.booleans(), huge, st.booleans()), min_size=1, max_size=9)


@given(alphas, methods, baselines, normalizations, st.lists(huge_groups, max_size=4))
def test_no_input_makes_a_nan_and_uncounted_rows_stay_zero(
    alpha: float, method: str, baseline: str, normalize: str, step: list
) -> None:
    arrays = [columns(group) for group in step]
    credits = Objective(alpha, method, baseline, normalize).credits(arrays)
    for credit, (correct, _, judged) in zip(credits, arrays, strict=True):
        assert credit.rewards_G.shape == credit.advantages_G.shape == correct.shape
        assert np.isfinite(credit.rewards_G).all()
        assert np.isfinite(credit.advantages_G).all()
        assert not credit.advantages_G[~judged].any()
        assert not credit.rewards_G[~judged].any()
        np.testing.assert_array_equal(credit.parts["accuracy"] - credit.parts["penalty"], credit.rewards_G)


@given(alphas, methods, baselines, st.sampled_from(["none", "group"]), st.lists(groups, min_size=1, max_size=4))
def test_other_groups_of_the_step_change_nothing_unless_asked(
    alpha: float, method: str, baseline: str, normalize: str, step: list
) -> None:
    objective = Objective(alpha, method, baseline, normalize)
    arrays = [columns(group) for group in step]
    for together, alone in zip(objective.credits(arrays), (objective.credit(*a) for a in arrays), strict=True):
        np.testing.assert_array_equal(together.advantages_G, alone.advantages_G)


@given(alphas, methods, baselines, judged_groups)
def test_no_signal_means_no_advantage(alpha: float, method: str, baseline: str, group: list) -> None:
    credit = Objective(alpha, method, baseline).credit(*columns(group))
    assert credit.has_signal == bool(credit.advantages_G.any())
