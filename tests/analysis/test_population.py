"""The population-level claim: computed without sampling, equal to sampling, and true where it is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.analysis.population import TabularProblem, ascend, check, check_strategies, fixed, standardised
from tersely.errors import UserError
from tersely.objective import Objective

START, CORRECT, LENGTHS = [0.02, 0.18, 0.5, 0.1, 0.2], [1, 1, 1, 0, 0], [20, 60, 120, 10, 90]


def test_two_responses_in_pairs_by_hand() -> None:
    # Pair (10, 30): z = -1, +1; sigmoid 0.268941, 0.731059; rewards 0.8655293, 0.6344707; advantages +-0.2310586.
    # Equal pairs: 0. So q_0 = p_1 * 0.2310586 and q_1 = -p_0 * 0.2310586.
    table = TabularProblem.of([1, 1], [10, 30], 2, standardised(Objective(0.5)))
    q = table.expected_advantages(np.array([0.3, 0.7]))
    assert q == pytest.approx([0.7 * 0.2310586, -0.3 * 0.2310586], abs=1e-7)


@pytest.mark.slow
def test_expected_advantages_equal_those_of_sampled_groups() -> None:
    objective, policy = Objective(0.3), np.array(START)
    table = TabularProblem.of(CORRECT, LENGTHS, 4, standardised(objective))
    rng = np.random.default_rng(0)
    sums, counts = np.zeros(5), np.zeros(5)
    for group in rng.choice(5, size=(20_000, 4), p=policy):
        advantages = objective.credit(np.array(CORRECT)[group], np.array(LENGTHS)[group]).advantages_G
        np.add.at(sums, group, advantages)
        np.add.at(counts, group, 1)
    # Advantages have a deviation of at most 0.6: four standard errors of the rarest response.
    assert table.expected_advantages(policy) == pytest.approx(sums / counts, abs=4 * 0.6 / np.sqrt(counts.min()))


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=4), st.integers(2, 6))
def test_every_company_is_counted_once(weights: list[float], n: int) -> None:
    """With an advantage of 1 for everyone the expectation is the sum of the chances."""
    policy = np.array(weights) / sum(weights)
    table = TabularProblem.of([1] * len(weights), range(len(weights)), n, lambda correct_n, _: np.ones_like(correct_n))
    assert table.expected_advantages(policy) == pytest.approx(np.ones(len(weights)), abs=1e-9)


@pytest.mark.parametrize(
    "alpha", [pytest.param(0.05, marks=pytest.mark.slow), 0.4, pytest.param(0.9, marks=pytest.mark.slow)]
)
def test_the_ascent_ends_at_the_shortest_correct_response_however_rare(alpha: float) -> None:
    start, *ends = check([1e-3, 0.18, 0.5, 0.119, 0.2], CORRECT, LENGTHS, alpha=alpha, n=6, steps=6000)
    assert start.accuracy == pytest.approx(0.681)
    for end in ends:
        assert end.accuracy > 0.9999, end
        assert end.shortest > 0.99, end


def test_without_a_price_every_correct_response_is_as_good() -> None:
    table = TabularProblem.of(CORRECT, LENGTHS, 4, fixed(0.0, 80.0, 30.0))
    *_, end = ascend(table, START, 3000)
    assert table.accuracy(end) > 0.999
    # Correct ones keep their proportions: nothing prefers the shorter.
    assert end[:3] / end[:3].sum() == pytest.approx(np.array(START[:3]) / sum(START[:3]), abs=1e-9)


def test_where_terseness_costs_accuracy_group_normalisation_gives_it_away() -> None:
    """The collapse of section 5.4 without a network: an alpha of 0.05 is worth 15 points once advantages are divided
    by the group's deviation, and nothing otherwise."""
    ends = {
        normalize: check_strategies(
            [0.9, 0.1], [0.95, 0.8], [100, 20], standardised(Objective(0.05, normalize=normalize)), n=8, steps=1500
        )
        for normalize in ("none", "group")
    }
    assert ends["none"].accuracy == pytest.approx(0.95, abs=1e-3)
    assert ends["group"].accuracy == pytest.approx(0.80, abs=1e-3)


def test_a_group_of_one_is_refused() -> None:
    with pytest.raises(UserError, match="n >= 2"):
        TabularProblem.of([1, 0], [1, 2], 1, fixed(0.1, 1.0, 1.0))
