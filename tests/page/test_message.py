"""The first sentence is the one that an honest reader would write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import fake_runs
from fake_runs import make_baseline
from tersely.analysis.seeds import SeedMean, over_seeds
from tersely.page.block import Options
from tersely.page.collect import collect
from tersely.page.message import Message, loss_words, make_message, warnings
from tersely.page.records import Comparison, Contender, Role
from tersely.page.standings import Standing, choose, rule, standings
from tersely.records import Estimate

CLAUSES = ("", rule("likely"), rule("most"))


def message_of(comparison: Comparison, **more: object) -> Message:
    return make_message(comparison, replace(Options(found=standings(comparison)), **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    root = tmp_path_factory.mktemp("family")
    _, runs = fake_runs.make_family(root, alphas=(0.0, 0.1, 0.2), steps=2)
    return collect(runs)


def told(message: Message) -> str:
    return " ".join(message.lead)


@pytest.mark.slow
def test_the_reference_is_the_member_without_length_pressure_and_then_the_base(family: Comparison) -> None:
    message = message_of(family)
    assert message.headline.startswith("A toy model answers made-up sums with ")
    assert "fewer tokens than the same training without length pressure; " in message.headline
    said = told(message)
    assert said.index("Against α 0 (the same training") < said.index("Against the base (before training)")
    without = replace(family, contenders=tuple(c for c in family.contenders if c.alpha != 0))
    assert "fewer tokens than before training" in message_of(without).headline
    assert "Against α 0" not in told(message_of(without))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.039, 0.073, "a loss of up to 3.9 points of accuracy is not excluded"),
        (-0.019, -0.006, "accuracy falls by 1.7 points, at most by 1.9 points"),
        (0.001, 0.033, "accuracy rises by 1.7 points"),
    ],
)
def test_the_largest_loss_that_is_not_excluded_is_said(low: float, high: float, words: str) -> None:
    value = -0.017 if high < 0 else 0.017
    assert loss_words(Estimate(value, low, high, 600, "t"), "points") == words


def test_no_loss_is_ruled_out_without_an_interval() -> None:
    joint = over_seeds([Estimate(value, -0.1, 0.1, 60, "t") for value in (0.01, -0.03, 0.02)])
    assert isinstance(joint, SeedMean)
    assert loss_words(joint, "points") == (
        "accuracy changes by ±0.0 points in the mean of 3 trainings and by −3.0 points in the worst, which are "
        "too few to say how much may be lost"
    )
    alone = Estimate(0.0, None, None, 1, "no interval: fewer than two problems")
    assert "how much may be lost cannot be told (no interval: fewer than two problems)" in loss_words(alone, "points")


@pytest.mark.slow
def test_whoever_is_chosen_on_this_set_is_called_so(family: Comparison, tmp_path: Path) -> None:
    assert "was chosen among 2 on these same problems" in told(message_of(family))
    _, runs = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2)
    assert "chosen among" not in told(message_of(collect(runs)))


def standing(label: str, accuracy: float, low: float | None, tokens: float) -> Standing:
    ratio = Estimate(accuracy, low, None if low is None else 2 * accuracy - low, 300, "t")
    return Standing(label, Role.FAMILY, "family", 0.1, "", ratio, Estimate(tokens, None, None, 300, ""), None, {})


def test_a_clause_of_the_rule_that_is_given_up_is_said() -> None:
    sure, likely, lossy = (
        standing("a", 0.99, 0.985, 0.8),
        standing("b", 0.985, 0.95, 0.5),
        standing("c", 0.9, 0.88, 0.1),
    )
    assert choose([sure, likely, lossy]) == (sure, "")
    assert choose([likely, lossy]) == (likely, CLAUSES[1])
    assert choose([lossy]) == (lossy, CLAUSES[2])
    assert "the first clause of the rule was given up" in CLAUSES[1]


def test_few_seeds_keep_accuracy_surely_only_if_the_worst_does() -> None:
    found = standing("a", 0.99, None, 0.5)
    apart = replace(found, accuracy=SeedMean(0.99, None, None, 3, "", seeds=(1.0, 1.0, 0.97)))
    assert choose([replace(apart, accuracy=replace(apart.accuracy, seeds=(1.0, 0.99, 0.98)))])[1] == ""  # type: ignore[call-arg]
    assert choose([apart])[1] == CLAUSES[1]


@pytest.mark.slow
def test_a_clause_given_up_stands_on_the_page(tmp_path: Path) -> None:
    _, runs = fake_runs.make_family(tmp_path, alphas=(0.0, 0.4), steps=2, problems=24)
    message = message_of(collect(runs))
    assert any(clause in message.lead for clause in CLAUSES[1:])


def test_without_a_trained_baseline_no_alternative_is_named(family: Comparison) -> None:
    message = message_of(family)
    assert any(c.role is Role.CUTOFF for c in family.contenders)
    assert "No other method was trained beside it" in told(message)
    assert "cutoff" not in told(message)


@pytest.mark.parametrize(
    ("alike", "words"),
    [(0.1, "At about equal tokens"), pytest.param(0.4, "Nothing stands at equal tokens", marks=pytest.mark.slow)],
)
def test_two_methods_are_compared_at_matched_tokens_or_the_mismatch_is_said(
    tmp_path: Path, alike: float, words: str
) -> None:
    base, runs = fake_runs.make_family(tmp_path, alphas=(0.0, 0.1), steps=2)
    message = message_of(collect([*runs, make_baseline(tmp_path, base, "sft", 1e-5, alike, (9, 9, 9.0))]))
    (sentence,) = [s for s in message.lead if "best other method" in s]
    assert sentence.startswith(words)
    assert "SFT lr 1e-05" in sentence
    assert "α 0.1 spends" in sentence


def test_a_single_problem_and_a_single_seed_are_told(family: Comparison, tmp_path: Path) -> None:
    assert any("One seed a model" in s for s in message_of(family).warnings)
    _, runs = fake_runs.make_family(tmp_path, alphas=(0.0, 0.2), steps=2, problems=1)
    message = message_of(collect(runs))
    assert "how much may be lost cannot be told (no interval: fewer than two problems)" in message.headline
    assert "arithmetic holds a single problem: nothing measured on it has an interval." in message.warnings


@pytest.mark.slow
def test_money_stands_there_where_a_price_is_given_with_its_currency(family: Comparison) -> None:
    assert "EUR" not in told(message_of(family))
    assert "training the family of 3, to choose it, took " in told(message_of(family, price=2.0, currency="EUR"))
    said = told(message_of(family, price=2.0, currency="EUR"))
    before, after = (
        next(c for c in family.contenders if c.label == label).entries[fake_runs.TASK].overall("tokens")
        for label in ("base", message_of(family).chosen)
    )
    assert before is not None
    assert after is not None
    assert f"a million answers cost {before.value * 2:.1f} EUR before and {after.value * 2:.1f} EUR after" in said


def test_a_set_that_was_not_drawn_says_that_other_problems_are_none_of_it(family: Comparison) -> None:
    said = "exact shares, not by chance: intervals over other problems mean nothing here."
    assert any(sentence.endswith(said) for sentence in message_of(family).warnings)


def test_alpha_is_defined_where_it_is_first_named(family: Comparison) -> None:
    message = message_of(family)
    assert "α" not in message.headline
    first = next(s for s in message.lead if "α" in s)
    assert "α (alpha) says how hard training presses for short answers" in first


def test_what_training_counted_as_only_restated_is_said(family: Comparison) -> None:
    def with_journal(contender: Contender) -> Contender:
        runs = [
            replace(run, journal=tuple(replace(step, restated=0.25, cut=None) for step in run.journal))
            for run in contender.runs
        ]
        return replace(contender, runs=tuple(runs))

    said = [s for s in message_of(family).warnings if "in training" in s]
    assert said == []
    changed = replace(family, contenders=tuple(map(with_journal, family.contenders)))
    said = [s for s in message_of(changed).warnings if "in training" in s]
    assert [s.partition(",")[0] for s in said] == ["α 0", "α 0.1", "α 0.2"]
    assert all("128 of 512 answers equal the gold answer but only restate it" in s for s in said)


def test_whoever_has_no_ratio_to_a_base_that_is_never_right_is_not_said_to_lack_a_set(family: Comparison) -> None:
    told = " ".join(warnings(family, ()))
    assert "Where the base is never right no share of its accuracy can be told, so in no aggregate: " in told
    assert "Not evaluated on every data set" not in told
