"""The objective against numbers derived by another route, and its behaviour on degenerate and bad input.

Golden numbers: ``_reference`` below works Eq. 4-5 and section 4.1 of arXiv 2502.04463 out in 50-digit ``decimal``,
one response at a time and straight from the definitions; the closed forms are derived in the comments.
"""

from __future__ import annotations

import math
import subprocess
import sys
from decimal import Decimal, getcontext

import numpy as np
import pytest

from tersely.errors import UserError
from tersely.objective import Objective
from tersely.objective.advantage import ADVANTAGES, batch_normalized, rloo
from tersely.objective.length import sigmoid, z_scores
from tersely.objective.methods.linear import line
from tersely.records import Finish, Group, Kind, Problem, Rollout, Status, Verdict

getcontext().prec = 50

# sigma(1) and sigma(sqrt 7) to 16 digits, from 1 / (1 + e^-x) in 50-digit decimal arithmetic.
SIGMA_1 = 0.7310585786300049
SIGMA_SQRT7 = 0.9337486414889455


def _reference(alpha: str, correct: list[int], lengths: list[int]) -> tuple[list[Decimal], list[Decimal]]:
    """Rewards and leave-one-out advantages in decimal arithmetic."""
    kept = [Decimal(n) for c, n in zip(correct, lengths, strict=True) if c]
    rewards = []
    for c, n in zip(correct, lengths, strict=True):
        if not c:
            rewards.append(Decimal(0))
            continue
        mean = sum(kept) / len(kept)
        std = (sum((k - mean) ** 2 for k in kept) / len(kept)).sqrt()
        z = (n - mean) / std if std else Decimal(0)
        rewards.append(1 - Decimal(alpha) / (1 + (-z).exp()))
    others = [sum(rewards[:i] + rewards[i + 1 :]) / (len(rewards) - 1) for i in range(len(rewards))]
    return rewards, [r - o for r, o in zip(rewards, others, strict=True)]


@pytest.mark.parametrize(
    ("alpha", "correct", "lengths"),
    [
        ("0.1", [1, 1, 1, 0, 0, 1, 0, 1], [312, 94, 1045, 2048, 77, 94, 500, 388]),
        ("0.05", [1] * 8, [10, 11, 12, 13, 14, 15, 16, 32000]),
        ("0.4", [0, 1, 1, 1], [9, 7, 7, 8]),
        ("0.999", [1, 1, 0], [1, 100000, 3]),
        ("0", [1, 0, 0, 1], [5, 6, 7, 8]),
        ("0.2", [0, 0, 1, 0], [5, 6, 7, 8]),
        ("0.2", [1, 1, 1], [64, 64, 64]),
        ("0.2", [0, 0, 0], [1, 2, 3]),
    ],
)
def test_equals_the_paper_worked_out_in_decimal(alpha: str, correct: list[int], lengths: list[int]) -> None:
    rewards, advantages = _reference(alpha, correct, lengths)
    credit = Objective(float(alpha)).credit(correct, lengths)
    np.testing.assert_allclose(credit.rewards_G, [float(r) for r in rewards], rtol=0, atol=1e-14)
    np.testing.assert_allclose(credit.advantages_G, [float(a) for a in advantages], rtol=0, atol=1e-14)


@pytest.mark.parametrize("gap", [1, 7, 1000])
def test_two_correct_ones_split_alpha_whatever_the_gap(gap: int) -> None:
    # Two values a < b have mean (a+b)/2 and population std (b-a)/2, so z = -1 and +1: 1 - .2689 alpha, 1 - .7311 alpha.
    credit = Objective(0.1).credit([True, True, False], [50, 50 + gap, 10])
    np.testing.assert_allclose(credit.rewards_G, [1 - 0.1 * (1 - SIGMA_1), 1 - 0.1 * SIGMA_1, 0], rtol=0, atol=1e-15)


def test_eight_responses_reach_the_bound_sqrt_7_and_no_further() -> None:
    # One outlier x among n: mean x/n, variance x^2 (n-1)/n^2, so z = (n-1)/sqrt(n-1) = sqrt(7) for n = 8.
    long_outlier = Objective(0.1).credit([1] * 8, [3] * 7 + [99])
    short_outlier = Objective(0.1).credit([1] * 8, [99] * 7 + [3])
    assert long_outlier.rewards_G[-1] == pytest.approx(1 - 0.1 * SIGMA_SQRT7, abs=1e-14)
    assert short_outlier.rewards_G[-1] == pytest.approx(1 - 0.1 * (1 - SIGMA_SQRT7), abs=1e-14)


@pytest.mark.parametrize("method", ["paper", "linear"])
def test_lone_correct_response_pays_half_of_alpha(method: str) -> None:
    credit = Objective(0.1, method=method).credit([0, 1, 0], [5, 100000, 9])
    assert credit.rewards_G.tolist() == [0.0, 0.95, 0.0]
    np.testing.assert_allclose(credit.advantages_G, [-0.475, 0.95, -0.475], rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", ["paper", "linear"])
def test_equal_lengths_give_z_zero_although_their_float_std_is_not(method: str) -> None:
    length = 0.1
    assert np.std(np.full(3, length)) > 0  # what a test of std == 0 would trip over
    credit = Objective(0.2, method=method).credit([1, 1, 1], [length] * 3)
    assert credit.rewards_G.tolist() == [0.9] * 3
    assert credit.advantages_G.tolist() == [0.0] * 3
    assert not credit.has_signal


def test_linear_f_is_a_line_with_hard_ends() -> None:
    z = np.array([-9.0, -2.0, -1.0, 0.0, 0.5, 2.0, 9.0])
    assert line(z).tolist() == [0.0, 0.0, 0.25, 0.5, 0.625, 1.0, 1.0]


def test_sigmoid_neither_overflows_nor_warns_far_out() -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        values = sigmoid(np.array([-1e4, -800.0, -1.0, 0.0, 1.0, 800.0, 1e4]))
    assert values[[0, 3, -1]].tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(values[[2, 4]], [1 - SIGMA_1, SIGMA_1], rtol=1e-15)


def test_z_scores_have_population_std_one_at_any_magnitude() -> None:
    for scale in (5e-324, 1.0, 1e300):
        z = z_scores(np.array([1.0, 2.0, 3.0, 10.0]) * scale)
        # By hand: mean 4, deviations -3 -2 -1 6, variance 50 / 4.
        np.testing.assert_allclose(z, np.array([-3, -2, -1, 6]) / math.sqrt(12.5), rtol=1e-14)


def test_unjudged_responses_touch_nothing() -> None:
    objective = Objective(0.1)
    judged = np.array([True, False, True, True, False])
    with_them = objective.credit([1, 1, 1, 0, 0], [100, 7, 300, 50, -1e9], judged)
    without = objective.credit([1, 1, 0], [100, 300, 50])
    np.testing.assert_array_equal(with_them.rewards_G[judged], without.rewards_G)
    np.testing.assert_array_equal(with_them.advantages_G[judged], without.advantages_G)
    assert with_them.rewards_G[~judged].tolist() == [0.0, 0.0]
    assert with_them.advantages_G[~judged].tolist() == [0.0, 0.0]
    assert with_them.counted_G.tolist() == judged.tolist()
    assert with_them.parts["accuracy"].tolist() == [1.0, 0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("normalize", ["none", "group", "batch"])
@pytest.mark.parametrize("judged", [[0, 0, 0], [0, 1, 0]])
def test_group_without_two_judged_responses_is_dropped(normalize: str, judged: list[int]) -> None:
    objective = Objective(0.1, normalize=normalize)
    other = ([1, 0, 1], [10, 20, 30], None)
    dropped, kept = objective.credits([([1, 1, 1], [4, 5, 6], judged), other])
    assert dropped.dropped == "fewer than two judged responses"
    assert dropped.advantages_G.tolist() == [0.0] * 3
    assert not dropped.has_signal
    # It takes no part in the step's statistics either.
    np.testing.assert_array_equal(kept.advantages_G, objective.credits([other])[0].advantages_G)
    assert kept.dropped is None


def test_single_response_is_dropped_and_keeps_its_reward() -> None:
    credit = Objective(0.1).credit([True], [12])
    assert (credit.rewards_G.tolist(), credit.advantages_G.tolist()) == ([0.95], [0.0])
    assert credit.dropped is not None


def test_truncated_response_of_a_group_record_earns_nothing_and_sets_no_length() -> None:
    problem = Problem("0" * 16, "1+1?", "2", Kind.MATH, "toy")
    ends = [(2, Finish.EOS), (4, Finish.EOS), (9, Finish.LENGTH)]
    rollouts = tuple(Rollout(problem.id, i, (1,), (7,) * n, None, "2", end, 0) for i, (n, end) in enumerate(ends))
    right, unfinished = Verdict(Status.CORRECT, "2", "equal strings"), Verdict(Status.NO_ANSWER, None, "unfinished")
    group = Group(problem, rollouts, (right, right, unfinished))
    credit = Objective(0.1).credit(group.correct_G, group.lengths_G, group.judged_G)
    np.testing.assert_allclose(credit.rewards_G, [1 - 0.1 * (1 - SIGMA_1), 1 - 0.1 * SIGMA_1, 0], rtol=0, atol=1e-15)


def test_mean_baseline_by_hand() -> None:
    # Rewards 1, 0, 0, 1 at alpha 0: mean 1/2. Leave-one-out is n/(n-1) = 4/3 of it.
    assert Objective(0, advantage="mean").credit([1, 0, 0, 1], [1, 2, 3, 4]).advantages_G.tolist() == [
        0.5,
        -0.5,
        -0.5,
        0.5,
    ]
    np.testing.assert_allclose(
        Objective(0).credit([1, 0, 0, 1], [1, 2, 3, 4]).advantages_G, np.array([2, -2, -2, 2]) / 3
    )


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.4])
def test_group_normalisation_cancels_alpha_when_all_are_correct(alpha: float) -> None:
    # The sqrt(3) argument of section 5.4 without its assumption of uniform rewards: A = -(f - mean f) / std f.
    lengths = [10, 20, 40, 80]
    f = sigmoid(z_scores(np.array(lengths, dtype=float)))
    credit = Objective(alpha, advantage="mean", normalize="group").credit([1] * 4, lengths)
    np.testing.assert_allclose(credit.advantages_G, -(f - f.mean()) / f.std(), rtol=0, atol=1e-5)


def test_group_normalisation_of_uniform_rewards_has_extremes_at_sqrt_3() -> None:
    # Rewards on an even grid of n points: extreme / std = sqrt(3 (n-1)/(n+1)), which tends to the paper's sqrt(3).
    # The linear f keeps an even grid of lengths even (|z| <= sqrt(3) < 2).
    n = 2001
    credit = Objective(0.05, "linear", "mean", "group").credit([1] * n, list(range(n)))
    assert credit.advantages_G[0] == pytest.approx(math.sqrt(3 * (n - 1) / (n + 1)), rel=1e-5)
    assert credit.advantages_G[0] == pytest.approx(math.sqrt(3), rel=1e-3)
    assert credit.advantages_G[-1] == pytest.approx(-math.sqrt(3), rel=1e-3)


def test_group_normalisation_of_equal_rewards_is_zero() -> None:
    credits = Objective(0.1, normalize="group").credits([([0] * 4, [1, 2, 3, 4], None), ([1] * 3, [7, 7, 7], None)])
    assert all(not credit.advantages_G.any() for credit in credits)


def test_batch_normalisation_whitens_tokens_one_by_one() -> None:
    # Independent route: write every token out, take numpy's plain mean and std over them.
    objective, raw = Objective(0.2, normalize="batch"), Objective(0.2)
    groups = [([1, 1, 0], [3, 8, 20], None), ([0, 0, 0], [5, 6, 7], None), ([1, 0, 1], [2, 9, 4], [1, 1, 0])]
    counted = [
        (c.advantages_G[c.counted_G], np.array(g[1])[c.counted_G])
        for c, g in zip(raw.credits(groups), groups, strict=True)
    ]
    tokens = np.concatenate([np.repeat(a, n) for a, n in counted])
    got = objective.credits(groups)
    for (plain, _), credit in zip(counted, got, strict=True):
        np.testing.assert_allclose(
            credit.advantages_G[credit.counted_G], (plain - tokens.mean()) / tokens.std(), rtol=1e-12
        )
    # As in the released code, a group that is all wrong is pushed (up, since long responses fare worse).
    assert (got[1].advantages_G > 0).all()
    assert got[2].advantages_G[2] == 0.0


def test_batch_normalisation_floors_the_std() -> None:
    # alpha 1e-5 leaves a std below 1e-4, so the advantages are divided by 1e-4.
    plain = Objective(1e-5).credit([1, 1], [10, 10 + 1]).advantages_G
    mean = (10 * plain[0] + 11 * plain[1]) / 21
    whitened = Objective(1e-5, normalize="batch").credit([1, 1], [10, 11]).advantages_G
    np.testing.assert_allclose(whitened, (plain - mean) / 1e-4, rtol=1e-9)


def test_batch_normalisation_without_tokens_or_groups_is_zero() -> None:
    assert Objective(0.1, normalize="batch").credit([1, 0], [0, 0]).advantages_G.tolist() == [0.0, 0.0]
    assert Objective(0.1, normalize="batch").credits([]) == []
    assert batch_normalized([], [], []) == []


@pytest.mark.parametrize("normalize", ["none", "group", "batch"])
def test_credit_is_credits_of_one(normalize: str) -> None:
    objective = Objective(0.1, normalize=normalize)
    alone, (in_step,) = objective.credit([1, 1, 0], [3, 4, 5]), objective.credits([([1, 1, 0], [3, 4, 5], None)])
    np.testing.assert_array_equal(alone.advantages_G, in_step.advantages_G)
    np.testing.assert_array_equal(alone.rewards_G, in_step.rewards_G)


def test_equal_rewards_give_exact_zeros_where_rounding_would_not() -> None:
    rewards = np.full(7, 0.95)
    assert (rewards - (rewards.sum() - rewards) / 6).any()  # the plain formula leaves dust
    assert not rloo(rewards).any()
    assert not ADVANTAGES["mean"](rewards).any()


def test_arrays_of_the_caller_are_neither_changed_nor_kept() -> None:
    correct, lengths, judged = np.array([True, False]), np.array([3, 4]), np.array([True, True])
    credit = Objective(0.1).credit(correct, lengths, judged)
    judged[0] = correct[0] = False
    assert credit.counted_G.all()
    assert lengths.tolist() == [3, 4]


@pytest.mark.parametrize("alpha", [-0.1, 1, 1.0, 1.5, math.nan, math.inf, -math.inf, True, False, "0.1", 0.1j])
def test_alpha_outside_the_half_open_interval_is_refused(alpha: object) -> None:
    with pytest.raises(UserError, match="0 <= alpha < 1"):
        Objective(alpha)  # type: ignore[arg-type]


def test_alpha_that_is_not_given_is_asked_for() -> None:
    with pytest.raises(UserError, match="method 'paper' needs alpha"):
        Objective()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "papr"}, "unknown method 'papr'.*did you mean 'paper'.*paper, linear, .* or package.module:Name"),
        ({"method": None}, "unknown method 'None'"),
        ({"schedule": "linaer"}, "unknown schedule 'linaer'.*did you mean 'linear'"),
        ({"advantage": "grpo"}, "unknown advantage 'grpo'.*rloo, mean"),
        ({"normalize": "batches"}, "did you mean 'batch'"),
        ({"normalize": None}, "unknown normalize 'None'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(0.1, **options)


@pytest.mark.parametrize(
    ("correct", "lengths", "judged", "message"),
    [
        ([1, 0], [1], None, "sizes differ: correct 2, lengths 1, judged 2"),
        ([1, 0], [1, 2], [1], "sizes differ"),
        ([], [], None, "at least one response"),
        ([[1, 0]], [[1, 2]], None, "one-dimensional"),
        (1, 2, None, "one-dimensional"),
        ([[1], [1, 0]], [1, 2], None, "correct must be a flat list"),
        ([1, 0], [1, math.nan], None, "lengths must be finite, but one is nan"),
        ([1, 0], [1, math.inf], None, "finite"),
        ([1, 0], [1, math.inf], [1, 0], "finite"),
        ([1, 0], [1, 10**400], None, "lengths"),
        ([1, 0], [1, None], None, "lengths must be finite"),
        ([1, 0], [1, -1], None, "negative, but one is -1"),
        ([1, 0], ["1", "2"], None, "lengths must be numbers of tokens"),
        ([1, 0], [True, False], None, "lengths must be numbers of tokens"),
        ([1, 1.5], [1, 2], None, r"correct must hold True or False \(or scores from 0 to 1\).*1.5"),
        ([1, -0.5], [1, 2], None, "correct must hold True or False.*-0.5"),
        ([1, 0], [1, 2], [1, 0.5], "judged must hold True or False.*0.5"),
        ([1, math.nan], [1, 2], None, "correct must hold True or False.*nan"),
        (["yes", "no"], [1, 2], None, "correct must hold True or False"),
        ([1, 0], [1, 2], [2, 1], "judged must hold True or False.*2"),
        ([1, None], [1, 2], None, "correct must hold True or False"),
    ],
)
def test_bad_groups_are_refused(correct: object, lengths: object, judged: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(0.1).credit(correct, lengths, judged)  # type: ignore[arg-type]


def test_bad_group_of_a_step_is_named() -> None:
    with pytest.raises(UserError, match="group 1: one value a response"):
        Objective(0.1).credits([([1, 0], [1, 2], None), ([1, 0], [1], None)])


def test_objective_is_frozen_and_compares_by_value() -> None:
    with pytest.raises(AttributeError):
        Objective(0.1).alpha = 0.2  # type: ignore[misc]
    assert Objective(np.float64(0.1)) == Objective(0.1)  # type: ignore[arg-type]
    assert type(Objective(np.float64(0.1)).alpha) is float  # type: ignore[arg-type]


def test_the_mathematics_stands_on_numpy_alone() -> None:
    code = "import sys, tersely.objective; print(*{'pydantic', 'torch', 'scipy', 'tersely.config'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
