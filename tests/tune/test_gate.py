"""The test of candidates: how the error is shared out, what passes, and how often a model passes that should not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.analysis import loss_bound
from tersely.analysis.bounded import fewest_problems
from tersely.records import FloatArray
from tersely.tune import gate
from tersely.tune.gate import Look, Test, plan_looks, problems_to_decide, smallest_loss, spread_by_chance


def test_the_error_is_shared_out_as_published() -> None:
    """e(n) = .05 ln(1 + 1.718 n / n_max) at 1/8, 1/4, 1/2, 1: worked out by hand."""
    cumulated = [0.05 * math.log(1 + 1.718281828 * share) for share in (0.125, 0.25, 0.5, 1)]
    looks = plan_looks(2400, 0.03)
    assert [look.problems for look in looks] == [300, 600, 1200, 2400]
    assert [look.error for look in looks] == pytest.approx(np.diff([0, *cumulated]), abs=1e-9)
    assert cumulated[-1] == pytest.approx(0.05, abs=1e-9)


def test_a_look_at_which_nothing_could_pass_is_left_out_and_its_error_kept() -> None:
    """ln(.00972) / ln(.99) = 461 problems would be needed for the first look at one point: it has 300."""
    looks = plan_looks(2400, 0.01)
    assert [look.problems for look in looks] == [600, 1200, 2400]
    assert looks[0].error == pytest.approx(0.05 * math.log(1 + 1.718281828 / 4), abs=1e-9)


@given(st.integers(1, 5000), st.floats(0.002, 0.2), st.floats(0.8, 0.99))
def test_the_error_of_all_looks_is_what_was_allowed_and_too_few_problems_have_none(
    problems: int, loss: float, confidence: float
) -> None:
    looks = plan_looks(problems, loss, confidence)
    assert bool(looks) == (problems >= fewest_problems(loss, confidence))
    if looks:
        assert sum(look.error for look in looks) == pytest.approx(1 - confidence)
        assert looks[-1].problems == problems
        assert all(look.error > 0 for look in looks)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=40, max_size=200), st.floats(0.02, 0.5))
def test_what_passes_is_what_the_bound_says(changes: list[float], loss: float) -> None:
    bound = loss_bound(changes, 0.97)
    if abs(bound + loss) > 1e-6:
        assert gate.passes(np.array(changes), loss, 0.03) == (bound > -loss)


def test_a_member_is_looked_at_no_further_than_needed() -> None:
    looks = plan_looks(2400, 0.03)
    asked: list[int] = []

    def changes(member: str, n: int) -> FloatArray:
        asked.append(n)
        return np.full(n, -1.0) if member == "hopeless" else np.zeros(n)

    trial = gate.try_member("same", Test("test", looks, changes), 0.03)
    assert (trial.passed, trial.problems, trial.change, asked) == (True, 300, 0.0, [300])
    assert trial.low == pytest.approx(-(1 - looks[0].error ** (1 / 300)), abs=1e-6)
    assert not gate.try_member("hopeless", Test("test", looks, changes), 0.03).passed
    assert asked == [300, 300]


def losing(lost: dict[str, float], name: str = "test") -> Test:
    return Test(name, plan_looks(800, 0.03), lambda member, n: np.full(n, -lost.get(member, 0.0)))


def test_the_order_ends_at_the_first_that_fails() -> None:
    trials = gate.try_in_order(["a", "b", "c", "d"], [losing({"c": 0.5})], 0.03)
    assert [(trial.member, trial.passed) for trial in trials] == [("a", True), ("b", True), ("c", False)]
    assert gate.last_to_pass(trials) == "b"
    assert gate.last_to_pass(gate.try_in_order(["c", "a"], [losing({"c": 0.5})], 0.03)) is None


def test_a_candidate_must_pass_every_test() -> None:
    trials = gate.try_in_order(["a", "b"], [losing({}), losing({"b": 0.5}, "guard")], 0.03)
    assert [(t.member, t.test, t.passed) for t in trials] == [
        ("a", "test", True), ("a", "guard", True), ("b", "test", True), ("b", "guard", False)
    ]  # fmt: skip
    assert gate.last_to_pass(trials) == "a"


def test_how_many_problems_would_decide() -> None:
    """6.18 s^2 / (X - D)^2 (power .8 at one-sided .05): s2 = .019, D = half of X = 1 gives 4,700 problems."""
    assert problems_to_decide(-0.005, math.sqrt(0.019), 0.01) == pytest.approx(4700, rel=0.01)
    assert problems_to_decide(-0.01, 0.1, 0.01) is None
    assert problems_to_decide(0.0, 0.0, 0.01) == 299
    assert smallest_loss(299) == pytest.approx(0.01, abs=5e-5)
    assert smallest_loss(2400, 0.138) == pytest.approx(math.sqrt(6.18) * 0.138 / math.sqrt(2400), rel=1e-3)


def test_the_spread_between_two_samplings_is_known_from_one() -> None:
    rng = np.random.default_rng(0)
    chances = rng.beta(6, 1, 40_000)
    one, other = (rng.binomial(3, chances).astype(float) for _ in range(2))
    judged = np.full(one.size, 3.0)
    assert spread_by_chance(one, judged) == pytest.approx(float(np.std((one - other) / 3)), rel=0.02)
    assert spread_by_chance(np.array([1.0, 0.0]), np.ones(2)) == pytest.approx(math.sqrt(0.5))


# ---- how often a model passes that loses exactly as much as is not allowed any more

World = Callable[[np.random.Generator, float, int], FloatArray]


def always_lost(rng: np.random.Generator, loss: float, n: int) -> FloatArray:
    """A few problems are lost in every response, and nothing else differs: hardly any spread to see."""
    return -(rng.random(n) < loss).astype(np.float64)


def slips(rng: np.random.Generator, loss: float, n: int, rate: float = 0.985) -> FloatArray:
    """Both slip by chance, two responses a problem."""
    return (rng.binomial(2, rate - loss, n) - rng.binomial(2, rate, n)) / 2.0


def nearly_perfect(rng: np.random.Generator, loss: float, n: int) -> FloatArray:
    """A base at 99.9 %."""
    return slips(rng, loss, n, 0.999)


def lost_beside_slips(rng: np.random.Generator, loss: float, n: int) -> FloatArray:
    base, model = (rng.binomial(2, 0.985, n) / 2.0 for _ in range(2))
    return np.where(rng.random(n) < loss / 0.985, 0.0, model) - base


WORLDS: tuple[World, ...] = (always_lost, slips, nearly_perfect, lost_beside_slips)


@pytest.mark.long
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("problems", "loss"), [(600, 0.01), (2400, 0.01), (600, 0.03), (2400, 0.03)])
def test_a_model_at_the_edge_passes_in_at_most_five_percent(world: World, problems: int, loss: float) -> None:
    """2,000 draws: a true 5 % is seen above 6.3 % once in three hundred times."""
    rng, looks = np.random.default_rng(1), plan_looks(problems, loss)
    passed = 0
    for _ in range(2000):
        drawn = world(rng, loss, problems)
        test = Test("test", looks, lambda _, n: drawn[:n])  # noqa: B023 (used at once)
        passed += gate.try_member("edge", test, loss).passed
    assert passed / 2000 <= 0.063


def test_a_test_without_a_look_is_none() -> None:
    with pytest.raises(ValueError, match="at least one look"):
        gate.try_member("a", Test("test", (), lambda _, n: np.zeros(n)), 0.01)
    assert plan_looks(10, 0.01) == ()
    assert Look(3, 0.1).problems == 3
