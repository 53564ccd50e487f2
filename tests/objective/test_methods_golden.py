"""Rewards of every published method against numbers worked out by another route.

By hand in the comments, in ``fractions`` (exact) or in 40-digit ``decimal``; formulas from the sources that each
method's docstring names. The code under test is never called to make an expected value.
"""

from __future__ import annotations

import math
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest

from method_groups import Row, group_of, published
from tersely.objective import GroupView, Objective

getcontext().prec = 40
E = Decimal(1).exp()


def right(*lengths: int) -> list[Row]:
    return [Row(True, n) for n in lengths]


def wrong(*lengths: int) -> list[Row]:
    return [Row(False, n) for n in lengths]


def sigma(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def close(got: np.ndarray, *expected: float | Fraction | Decimal) -> None:
    np.testing.assert_allclose(got, [float(e) for e in expected], rtol=1e-13, atol=1e-13)


def rewards(objective: Objective, group: GroupView, state: dict | None = None) -> np.ndarray:
    return objective.credits([group], objective.initial_state() if state is None else state)[0].rewards_G


def test_truncation_counts_what_is_longer_than_the_limit_as_wrong() -> None:
    close(rewards(published("truncation"), group_of([*right(4000, 4001), *wrong(5)])), 1, 0, 0)
    close(rewards(published("truncation", {"limit": 10}), group_of(right(10, 11))), 1, 0)


def test_dot_cuts_the_one_outlier_of_a_group_that_is_all_right() -> None:
    # 15 of 100 and one of 2100: mean 225, variance (15 * 125^2 + 1875^2) / 15 = 250,000, std 500: T = 1725.
    group = right(*[100] * 15, 2100)
    close(rewards(published("dot"), group_of(group)), *[1] * 15, 0)
    # 2100 - 1725 = 375 tokens beyond: a margin of 375 is reached, one of 376 is not.
    close(rewards(published("dot", {"margin": 375}), group_of(group)), *[1] * 15, 0)
    close(rewards(published("dot", {"margin": 376}), group_of(group)), *[1] * 16)
    # One wrong sibling, and nothing is cut.
    close(rewards(published("dot"), group_of([*group, *wrong(100)])), *[1] * 16, 0)
    # floor: 12 of 100 and one of 500: mean 1700/13, variance (400/13)^2 * (12 + 144) / 12 = (400/13)^2 * 13,
    # std 400/sqrt(13), T = floor(130.77 + 332.82) = 463, and 500 - 463 = 37.
    close(rewards(published("dot", {"margin": 37}), group_of(right(*[100] * 12, 500))), *[1] * 12, 0)
    close(rewards(published("dot", {"margin": 37.5}), group_of(right(*[100] * 12, 500))), *[1] * 13)


def test_kimi_ranks_all_siblings_between_the_shortest_and_the_longest() -> None:
    # Lengths 100 .. 500, lam = 1/2 - (l - 100)/400: 1/2, 1/4, 0, -1/2.
    group = group_of([*right(100), *wrong(200), *right(300), *wrong(500)])
    close(rewards(published("kimi"), group), 1 + Fraction(4, 10) / 2, 0, 1, Fraction(-4, 10) / 2)
    close(rewards(published("kimi"), group_of([*right(70), *wrong(70)])), 1, 0)


def test_l1_pays_by_the_distance_from_the_budget() -> None:
    group = group_of([Row(True, 900, budget=1000), Row(True, 6000, budget=1000), Row(False, 1000, budget=1000)])
    close(rewards(published("l1-exact"), group), 1 - Fraction(3, 10000) * 100, 1 - Fraction(3, 10000) * 5000, 0)
    # (clip(0.0003 * (n - l), -1, 1) + 1) / 2: (0.03 + 1)/2, and -1.5 is clipped to -1.
    close(rewards(published("l1-max"), group), Fraction(103, 200), 0, 0)
    close(rewards(published("l1-max"), group_of([Row(True, 1, budget=9000)])), 1)


def test_cosine_at_the_ends_the_middle_and_a_third() -> None:
    # cos 0 = 1, cos(pi/3) = 1/2, cos(pi/2) = 0: right 2, 1.75, 1.5; wrong -10, -7.5, -5.
    cap = 12_000
    group = group_of([*right(0, 4000, 6000, 11_984), *wrong(0, 4000, 6000, 11_984)], cap)
    close(rewards(published("cosine"), group), 2, Fraction(7, 4), Fraction(3, 2), -10, -10, Fraction(-15, 2), -5, -10)
    # One token earlier it is no longer overlong: cos(pi (1 - 17/12000)) = -cos(17 pi/12000).
    tail = (1 - math.cos(17 * math.pi / 12_000)) / 2
    close(rewards(published("cosine"), group_of([*right(11_983), *wrong(11_983)], cap)), 1 + tail, -10 * tail)


def test_dapo_overlong_is_linear_in_the_buffer() -> None:
    # Cap 20,480 and buffer 4,096: nothing up to 16,384, one half at 18,432, one at the cap.
    group = group_of([*right(16_384, 18_432, 20_480), *wrong(5, 18_432)], 20_480)
    close(rewards(published("dapo-overlong"), group), 1, Fraction(1, 2), 0, -1, Fraction(-3, 2))


def test_laser_adds_its_bonus_up_to_the_target() -> None:
    close(rewards(published("laser"), group_of([*right(8192, 8193), *wrong(5)])), Fraction(3, 2), 1, Fraction(-1, 2))


def test_shorterbetter_measures_from_the_shortest_right_one_or_the_mean() -> None:
    group = group_of([*right(500, 900), *wrong(200)])
    close(rewards(published("shorterbetter"), group), 2, 2 - Fraction(400, 1000), Fraction(-300, 1000))
    # Nothing right: the mean of 100, 200 and 600 is 300.
    close(
        rewards(published("shorterbetter"), group_of(wrong(100, 200, 600))),
        Fraction(-2, 10),
        Fraction(-1, 10),
        Fraction(-3, 10),
    )


def test_grpo_lead_above_and_below_its_gate() -> None:
    # Right: 5000, 6000, 7000: mean 6000, std (ddof 1) 1000; the three shortest of all have mean 16000/3 > 4000.
    group = group_of([*right(5000, 6000, 7000), *wrong(5000)])
    z = 1000 / (1000 + Decimal("1e-6"))
    z1 = (z * Decimal("0.05")).exp()
    close(rewards(published("grpo-lead"), group), z1, 1, 1 / z1, -1)
    # With shortest 1000, 5000 and 6000 the mean is 4000: no price.
    close(rewards(published("grpo-lead"), group_of([*right(5000, 6000, 7000), *wrong(1000)])), 1, 1, 1, -1)
    close(rewards(published("grpo-lead"), group_of([*right(9000), *wrong(9000, 9000)])), 1, -1, -1)


def test_grpo_lead_weighs_advantages_by_the_share_of_right_ones() -> None:
    # One right of four: r = 1, -1, -1, -1. Group mean -1/2, so A = 3/2 and -1/2; p = 1/4.
    # w(1/4) = 0.4 + 1.1 / (1 + e^-5) for the right one, w(3/4) = 0.4 + 1.1 / 2 = 0.95 for the others.
    up = Decimal("0.4") + Decimal("1.1") / (1 + E**-5)
    got = Objective(method="grpo-lead", advantage="mean").credit([1, 0, 0, 0], [10, 10, 10, 10])
    close(got.rewards_G, 1, -1, -1, -1)
    close(got.advantages_G, up * 3 / 2, *[Decimal("-0.475")] * 3)


def test_acoer_bends_its_bonus_by_a_logarithm() -> None:
    # B = 4096: l = 0 earns 1 + a; half of B earns 1 + a ln(3.5)/ln(6); from B on 1.
    group = group_of([*right(0, 2048, 4096, 9000), *wrong(1)])
    half = 1 + Decimal("0.02") * Decimal("3.5").ln() / Decimal(6).ln()
    close(rewards(published("acoer"), group), Decimal("1.02"), half, 1, 1, 0)


def test_laconic_and_leash_charge_beyond_their_budget() -> None:
    group = group_of([*right(1000, 3000, 4096), *wrong(2000)], 4096)
    # lam 0.1, B 2000: 3000 pays 0.1 * 0.5, 4096 pays 0.1 * 1.048 and 0.1 for the cap.
    close(
        rewards(published("laconic"), group, {"lam": 0.1}),
        1,
        Fraction(95, 100),
        1 - Fraction(1048, 10_000) - Fraction(1, 10),
        0,
    )
    # lam 2 would charge 1 and 2.096: at most 0.4.
    close(rewards(published("laconic"), group, {"lam": 2.0}), 1, Fraction(6, 10), Fraction(5, 10), 0)
    # lam 0.2, target 2000, right 1, wrong -1; the wrong one of 8000 would have -1.6.
    long = group_of([*right(1000, 3000, 30_000), *wrong(8000)])
    close(rewards(published("leash", {"target": 2000}), long), 1, Fraction(9, 10), -1, -1)


def test_arlcp_prices_words_and_length_by_two_sigmoids() -> None:
    texts = ["Wait, but no.", "So it is 7; let me double-check. Hold on: hmm.", "Wait"]
    group = group_of([Row(True, 100, text=texts[0]), Row(True, 300, text=texts[1]), Row(False, 50, text=texts[2])])
    # Words 2 and 3 (double-check counts once): mean 5/2, std (ddof 1) 1/sqrt 2. Lengths: mean 200, std 100 sqrt 2.
    # z = -(1/2)/(1/sqrt 2 + 1e-6) and -100/(100 sqrt 2 + 1e-6); both have at most 40 words: w1 .05, w2 .15.
    root, eps = Decimal(2).sqrt(), Decimal("1e-6")
    zr, zl = Decimal("0.5") / (1 / root + eps), 100 / (100 * root + eps)
    w1, w2 = Decimal("0.05"), Decimal("0.15")
    first, second = (1 - w1 * sigma(s * zr) - w2 * sigma(s * zl) for s in (-1, 1))
    close(rewards(published("arlcp"), group), first, second, 0)


@pytest.mark.parametrize(("words", "w1"), [(40, "0.05"), (41, "0.10"), (80, "0.10"), (81, "0.15")])
def test_arlcp_shifts_its_price_to_the_words_where_there_are_many(words: int, w1: str) -> None:
    # A sibling with no word and the same length: z of the length is 0, z of the words is +-1/sqrt 2.
    zr = (Decimal(words) / 2) / (Decimal(words) / Decimal(2).sqrt() + Decimal("1e-6"))
    group = group_of([Row(True, 100, text="HMM " * words), Row(True, 100)])
    own = Decimal(w1)
    close(
        rewards(published("arlcp"), group),
        1 - own * sigma(zr) - (Decimal("0.2") - own) / 2,
        1 - Decimal("0.05") * sigma(-zr) - Decimal("0.15") / 2,
    )


def test_o1_pruner_compares_with_the_mean_of_the_group() -> None:
    # Mean length 200, half right: 200/100 - 1 + 2/2 = 2; 200/300 - 1 - 1 = -4/3.
    close(rewards(published("o1-pruner"), group_of([*right(100), *wrong(300)])), 2, Fraction(-4, 3))
    # 5.5 tokens on average: 5.5/1 - 1 + 1 = 5.5 is clipped to 4; 5.5/10 - 1 - 1 = -1.45.
    close(rewards(published("o1-pruner"), group_of([*right(1), *wrong(10)])), 4, Fraction(-145, 100))
    # A response of no tokens counts as one: mean (1 + 3)/2 = 2.
    close(rewards(published("o1-pruner"), group_of(right(0, 3))), 1, Fraction(-1, 3))


def test_prime_rl_charges_by_the_longest_and_by_how_often_the_group_is_right() -> None:
    # Mean score 1/2, longest 400: price (l/400)/4 + 0.2, times 1/2.
    group = group_of([*right(200), *wrong(400)])
    close(rewards(published("prime-rl"), group), 1 - Fraction(325, 2000), Fraction(-45, 200))
    # Constants fall out of the advantage: 2/3 right of 100, 200, 300, r = s - (2/3)(l/300)/4 but for a constant.
    credit = Objective(method="prime-rl", advantage="mean").credit([1, 1, 0], [100, 200, 300])
    price = [Fraction(2, 3) * Fraction(n, 300) / 4 for n in (100, 200, 300)]
    plain = [1 - price[0], 1 - price[1], 0 - price[2]]
    close(credit.advantages_G, *[r - sum(plain, Fraction(0)) / 3 for r in plain])


def test_alp_charges_a_token_by_how_easy_the_problem_is() -> None:
    group = group_of([*right(1000, 2000), *wrong(4000, 4000)])
    close(
        rewards(published("alp"), group),
        1 - Fraction(1, 20_000),
        1 - Fraction(1, 10_000),
        Fraction(-1, 5000),
        Fraction(-1, 5000),
    )
    # Nothing right: the floor 1/2 of two siblings.
    close(rewards(published("alp", {"beta": 1e-3}), group_of(wrong(10, 20))), Fraction(-5, 1000), Fraction(-1, 100))


def test_hapo_compares_with_the_best_that_the_problem_ever_had() -> None:
    # h = 300, f = cos(min(pi l / 600, pi)): 1/2 at 200, 0 at 300, -1/2 at 400, -1 from 600 on.
    group = group_of([*right(200, 300, 400, 900), *wrong(200, 400, 900)])
    half = Fraction(1, 2)
    close(rewards(published("hapo"), group, {"p": 300.0}), 1 + half, 1, half, Fraction(3, 10), 0, -half, -1)
    close(rewards(published("hapo"), group, {"q": 300.0}), 1, 1, 1, 1, 0, 0, 0)
    close(rewards(published("hapo", {"weight": 0.5}), group_of(right(400)), {"p": 300.0}), Fraction(3, 4))


def test_gr3_divides_by_the_length_over_the_mean() -> None:
    # Mean 200: 1/(1 + 0.33/2), 1/(1 + 0.33 * 1.5), wrong 0.
    close(
        rewards(published("gr3"), group_of([*right(100, 300), *wrong(200)])), Fraction(200, 233), Fraction(200, 299), 0
    )


def test_a_graded_score_lies_between_right_and_wrong_of_its_length() -> None:
    for name, expected in [("laser", 1.5 / 2 - 0.5 / 2), ("dapo-overlong", 0.0), ("kimi", 0.5), ("cosine", -4.0)]:
        group = GroupView(np.array([0.5, 0.5]), np.zeros(2), np.ones(2, dtype=bool), cap=10_000)
        close(rewards(published(name), group), expected, expected)
