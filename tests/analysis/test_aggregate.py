"""Ratios over several sets, AES, votes and the noise floor: goldens derived independently, coverage by simulation."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tersely.analysis.aggregate import aes, aggregate_sets, mean_of_ratios, pair
from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.noise import TWO_HALVES, TWO_SEEDS, noise_floor
from tersely.analysis.summary import summarise
from tersely.analysis.votes import majority_chance, normal_form, shortest_correct
from tersely.records import EvalRecord, Finish, Status

# The paper's tables for 7B, AIME24, MATH500, GSM8K, CommonsenseQA, logical deduction: accuracy and tokens of the base,
# of alpha 0.1 and 0.2; its Table 13 prints their aggregates (.9728, .6338) and (.9594, .5158).
BASE_7B = ([0.563, 0.932, 0.920, 0.670, 0.826], [12837, 4086, 1547, 727, 3905])
PUBLISHED = {
    (0.9728, 0.6338): ([0.530, 0.910, 0.903, 0.662, 0.806], [10802, 2568, 528, 524, 2485]),
    (0.9594, 0.5158): ([0.523, 0.891, 0.872, 0.664, 0.803], [9410, 2121, 263, 464, 2023]),
}


def record(problem: str, sample: int, answer: str | None, tokens: int = 10, **more: object) -> EvalRecord:
    status = Status.NO_ANSWER if answer is None else Status.CORRECT if answer == "1/2" else Status.WRONG
    made = EvalRecord(
        problem, "?", "1/2", None, sample, status, status is Status.CORRECT, tokens, Finish.EOS, answer, "text"
    )
    return replace(made, **more)  # type: ignore[arg-type]


def choice(text: str) -> EvalRecord:
    return replace(record("p", 0, text), answer="B")


def as_clusters(values_P: np.ndarray) -> dict[str, list[float]]:
    return {str(i): [float(v)] for i, v in enumerate(values_P)}


# --- aggregate


def test_the_mean_of_ratios_is_the_papers_published_aggregate() -> None:
    for (accuracy, tokens), (right, spent) in PUBLISHED.items():
        for published, model, base in ((accuracy, right, BASE_7B[0]), (tokens, spent, BASE_7B[1])):
            ratios = [m / b for m, b in zip(model, base, strict=True)]
            assert mean_of_ratios(ratios) == pytest.approx(published, abs=1.5e-3)


@pytest.mark.parametrize(
    ("accuracy", "tokens", "score"),
    # By hand: saving 0.4 with accuracy kept, 2 % (relative) up and 2 % down.
    [(1.0, 0.6, 0.4), (1.02, 0.6, 0.46), (0.98, 0.6, 0.3), (1.0, 1.25, -0.25)],
)
def test_aes_is_saving_plus_three_gains_or_minus_five_losses(accuracy: float, tokens: float, score: float) -> None:
    assert aes(accuracy, tokens) == pytest.approx(score)


def draw_sets(rng: np.random.Generator, sizes: tuple[int, ...] = (30, 200, 120)) -> list:
    """Sets of another difficulty each; the model keeps 95 % of the accuracy and 60 % of the tokens on average."""
    sets = []
    for place, n in enumerate(sizes):
        k = (10, 3, 1)[place]
        ease = rng.beta(4, 2, n)
        right = [rng.binomial(k, p, n) / k for p in (ease, 0.95 * ease)]
        heavy = rng.gamma(2.0, 400.0 * (place + 1), n)
        spent = [heavy * rng.gamma(20, 1 / 20, n), 0.6 * heavy * rng.gamma(10, 1 / 10, n)]
        sets.append(pair(f"s{place}", *map(as_clusters, (*right, *spent))))
    return sets


def test_the_aggregate_is_about_as_sure_as_its_linearised_terms() -> None:
    sets = draw_sets(np.random.default_rng(3))
    found = aggregate_sets(sets)
    # Independent form: jackknife over the problems of each set, variances of independent sets added.
    variance, ratios = 0.0, []
    for one in sets:
        base, model = one.tokens_base_P, one.tokens_model_P
        left_out = (model.sum() - model) / (base.sum() - base)
        n = base.size
        variance += (n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()
        ratios.append(model.mean() / base.mean())
    assert found.tokens.value == pytest.approx(np.mean(ratios))
    assert (found.tokens.high - found.tokens.low) / 2 == pytest.approx(1.97 * math.sqrt(variance) / 3, rel=0.15)
    assert found.aes.value == pytest.approx(aes(found.accuracy.value, found.tokens.value))
    assert [r.name for r in found.sets] == ["s0", "s1", "s2"]


@pytest.mark.slow
def test_the_intervals_cover_their_truth() -> None:
    rng = np.random.default_rng(11)
    truths = {"accuracy": 0.95, "tokens": 0.6, "aes": aes(0.95, 0.6)}
    hits = dict.fromkeys(truths, 0)
    trials = 250
    for _ in range(trials):
        found = aggregate_sets(draw_sets(rng))
        for name, truth in truths.items():
            estimate = getattr(found, name)
            hits[name] += estimate.low <= truth <= estimate.high
    # 95 % nominal (2,000 trials: 95.5, 96.8 and 95.9 %); with 250 a binomial of 96.8 reaches to 99 %.
    for name, count in hits.items():
        assert 0.92 <= count / trials <= 0.99, (name, count)


def test_a_problem_nobody_judged_leaves_accuracy_but_not_tokens() -> None:
    base = {"a": [1.0, 0.0], "b": [1.0], "c": [1.0]}
    model = {"a": [1.0, 1.0], "b": [1.0]}
    tokens = {"a": [10.0], "b": [20.0], "c": [30.0]}
    found = aggregate_sets([pair("s", base, model, tokens, {"a": [5.0], "b": [10.0], "c": [3.0]})])
    assert found.accuracy.value == pytest.approx((1 + 1) / (0.5 + 1))
    assert found.tokens.value == pytest.approx(18 / 60)


def test_what_cannot_be_told_is_not_told() -> None:
    one = {"a": [1.0]}
    found = aggregate_sets([pair("s", one, one, {"a": [8.0]}, {"a": [4.0]})])
    assert (found.tokens.value, found.tokens.low, found.aes.low) == (0.5, None, None)
    assert "fewer than two problems" in found.tokens.method
    with pytest.raises(ValueError, match="solves nothing"):
        aggregate_sets([pair("s", {"a": [0.0]}, one, {"a": [8.0]}, {"a": [4.0]})])
    with pytest.raises(ValueError, match="same problems"):
        pair("s", one, one, {"a": [8.0]}, {"b": [8.0]})
    with pytest.raises(ValueError, match="at least one"):
        aggregate_sets([])


# --- votes


def test_votes_go_by_value_and_spelling_not_by_the_gold_answer() -> None:
    assert normal_form(record("p", 0, "0.5")) == normal_form(record("p", 1, "\\frac{1}{2}")) == "1/2"
    assert normal_form(record("p", 0, "x + 1")) == normal_form(record("p", 1, "x+1"))
    assert normal_form(choice("(B)")) == normal_form(choice("B. a bank")) == "B"
    assert normal_form(record("p", 0, None)) is None
    assert normal_form(record("p", 0, "7", finish=Finish.LENGTH)) is None
    assert normal_form(record("p", 0, "7", status=Status.UNJUDGED)) is None


def test_the_majority_breaks_ties_at_random() -> None:
    """Against the definition itself: every leader of the count is picked equally often."""
    for answers in itertools.product(["1/2", "3", "4", None], repeat=4):
        given = [a for a in answers if a is not None]
        leaders = [a for a in set(given) if given.count(a) == max(map(given.count, given))]
        chance = leaders.count("1/2") / len(leaders) if leaders else 0.0
        assert majority_chance([record("p", i, a) for i, a in enumerate(answers)]) == pytest.approx(chance)


def test_the_references_stand_in_the_summary() -> None:
    answers = {"p": ["1/2", "1/2", "3"], "q": ["3", "3", "1/2"], "r": ["3", "4", "1/2"]}
    records = [record(p, i, a, tokens=10 * (i + 1)) for p, given in answers.items() for i, a in enumerate(given)]
    overall = summarise(records, ProtocolFacts()).overall
    assert overall.maj_at_k[3].value == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert overall.best_of_k.tokens.value == pytest.approx((10 + 30 + 30) / 3)
    assert overall.best_of_k.tokens_spent.value == 60
    assert overall.best_of_k.accuracy == overall.pass_at_k[3]
    alone = summarise([r for r in records if r.sample == 0], ProtocolFacts()).overall
    assert (alone.maj_at_k, alone.best_of_k) == ({}, None)
    assert shortest_correct([record("p", 0, "3", 4), record("p", 1, "4", 8)]) == 6


def test_thinking_and_answer_sum_to_all_tokens_or_are_not_told() -> None:
    records = [record("p", 0, "1/2", 10, thinking_tokens=7), record("q", 0, "3", 20, thinking_tokens=0)]
    overall = summarise(records, ProtocolFacts()).overall
    assert (overall.tokens_thinking.value, overall.tokens_answer.value) == (3.5, 11.5)
    never = summarise([replace(r, thinking_tokens=0) for r in records], ProtocolFacts()).overall
    old = summarise([replace(r, thinking_tokens=None) for r in records], ProtocolFacts()).overall
    assert never.tokens_thinking is never.tokens_answer is old.tokens_thinking is None


# --- noise


def draw_records(rng: np.random.Generator, problems: int = 80, k: int = 4, shift: float = 1.0) -> list[EvalRecord]:
    """Responses of one model; the problems are the same for every draw."""
    made = []
    for number in range(problems):
        ease, size = 0.2 + 0.75 * ((number * 7) % problems) / problems, 50 + 3 * number
        for sample in range(k):
            answer = "1/2" if rng.random() < ease else "3"
            made.append(record(f"p{number}", sample, answer, int(shift * size * rng.gamma(8, 1 / 8)) + 1))
    return made


@pytest.mark.slow
def test_two_seeds_and_two_halves_tell_the_same_floor() -> None:
    rng = np.random.default_rng(5)
    seeds, halves, truth = [], [], []
    for _ in range(40):
        one, other = draw_records(rng), draw_records(rng)
        by_seeds, by_halves = noise_floor(one, other), noise_floor(one)
        assert by_seeds is not None
        assert by_halves is not None
        assert (by_seeds.source, by_halves.source) == (TWO_SEEDS, TWO_HALVES)
        seeds.append(by_seeds.accuracy_reach)
        halves.append(by_halves.accuracy_reach)
        truth.append(np.mean([r.correct for r in one]) - np.mean([r.correct for r in other]))
    expected = stats.t.ppf(0.975, 79) * np.std(truth, ddof=1)  # how far two measurements really lie apart
    assert np.mean(seeds) == pytest.approx(expected, rel=0.25)
    assert np.mean(halves) == pytest.approx(np.mean(seeds), rel=0.05)


@pytest.mark.slow
def test_differences_of_one_model_stay_within_the_floor() -> None:
    rng = np.random.default_rng(8)
    within = 0
    for _ in range(100):
        floor = noise_floor(draw_records(rng), draw_records(rng))
        assert floor is not None
        within += abs(floor.token_saving.value) <= floor.saving_reach
    assert 88 <= within <= 100
    one = draw_records(rng)
    shorter = noise_floor(one, draw_records(rng, shift=0.6))
    assert abs(shorter.token_saving.value) > 3 * noise_floor(one).saving_reach


def test_one_response_a_problem_has_no_floor_of_its_own() -> None:
    records = draw_records(np.random.default_rng(1), k=1)
    assert noise_floor(records) is None
    odd = noise_floor(draw_records(np.random.default_rng(1), k=3))
    assert odd is not None
    assert odd.accuracy_reach is not None
    with pytest.raises(ValueError, match="same problems"):
        noise_floor(records, records[1:])
    alone = noise_floor([record("p", 0, "3"), record("p", 1, "3")])
    assert alone is not None
    assert alone.accuracy_reach is alone.saving_reach is None
    assert alone.saving_reach is None
