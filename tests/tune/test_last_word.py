"""What is said of the chosen model: on problems that decided nothing, and by thirds of difficulty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tersely.analysis import loss_bound
from tersely.records import EvalRecord, Finish, Kind, Problem, Status
from tersely.tune.certificate import Certificate
from tersely.tune.choice import Choice
from tersely.tune.gate import Trial
from tersely.tune.last_word import LastWord, last_word, thirds
from tersely.tune.target import Target

PROBLEMS = [Problem(f"p{i:02d}", f"question {i}", "1", Kind.EXACT, "t", difficulty=str(i // 5)) for i in range(30)]


def answer(problem: Problem, tokens: int, right: bool, labelled: bool = True) -> EvalRecord:
    difficulty = problem.difficulty if labelled else None
    status = Status.CORRECT if right else Status.WRONG
    return EvalRecord(problem.id, problem.question, "1", difficulty, 0, status, right, tokens, Finish.EOS, "1", "1")


BASE = [answer(p, 100 + i, True) for i, p in enumerate(PROBLEMS)]
MODEL = [answer(p, 50 + (i % 7), i < 27) for i, p in enumerate(PROBLEMS)]
"""Three of the hardest lost."""


def word() -> LastWord:
    return last_word(MODEL, {"base": BASE}, PROBLEMS, 0.95)


def test_thirds_keep_labels_whole_and_go_by_the_bases_tokens_where_there_are_none() -> None:
    easy, middle, hard = thirds(BASE, PROBLEMS)
    assert [{p.difficulty for p in part} for part in (easy, middle, hard)] == [{"0", "1"}, {"2", "3"}, {"4", "5"}]
    plain = [answer(p, 200 - i, True, labelled=False) for i, p in enumerate(PROBLEMS)]
    easy, middle, hard = thirds(plain, PROBLEMS)
    assert {p.id for p in easy} == {p.id for p in PROBLEMS[20:]}
    assert {len(easy), len(middle), len(hard)} == {10}


def test_the_last_word_is_paired_and_bounded_and_the_hardest_pay() -> None:
    found = word()
    assert (found.accuracy, found.versus[0].change) == pytest.approx((0.9, -0.1))
    assert found.versus[0].low == pytest.approx(loss_bound([0.0] * 27 + [-1.0] * 3), abs=1e-9)
    assert {name: round(one.change, 6) for name, one in found.thirds.items()} == {
        "easiest third": 0.0, "middle third": 0.0, "hardest third": -0.3
    }  # fmt: skip
    saved = 1 - sum(r.tokens for r in MODEL) / sum(r.tokens for r in BASE)
    assert found.versus[0].saving.value == pytest.approx(saved)
    assert last_word(BASE, {}, PROBLEMS, 0.95).thirds == {}


def certificate(choice: Choice, target: Target) -> Certificate:
    return Certificate(target, 0.95, choice, Path("m"), "a", "b", "c", word(), {}, {})


PASSED = Trial("step-000035", "test", 600, -0.001, -0.008, 0.02, True)
FAILED = Trial("step-000040", "test", 2400, -0.012, -0.018, 0.05, False)


@pytest.mark.parametrize(
    ("choice", "target", "verdict", "said"),
    [
        (
            Choice("step-000035", True, "base", (PASSED, FAILED)),
            Target(loss=0.01),
            "certified",
            "step-000035 loses at most 1 point against the base (95 % confidence): on 600 problems that nothing was "
            "chosen by, its accuracy changed by -0.10 points, by -0.80 points at worst.",
        ),
        (
            Choice("base", False, "base", (FAILED,), 4700),
            Target(loss=0.015),
            "not certified",
            "about 4700 would decide it. The base is returned as it is.",
        ),
        (Choice("base", False, "base", (FAILED,)), Target(loss=0.01), "not certified", "no number of problems"),
        (Choice("base", False, "base"), Target(loss=0.01), "not certified", "No checkpoint came near it"),
        (
            Choice("step-000035", True, "base", length=39.04, problems=1200),
            Target(tokens=40),
            "met",
            "step-000035 needs at most 40 tokens on average: 39.0 on 1200 problems of the test.",
        ),
        (
            Choice("step-000100", False, "base", length=25.04, problems=1200),
            Target(tokens=20),
            "not met",
            "the shortest, step-000100, needs 25.0 on 1200 problems of the test;",
        ),
    ],
)
def test_what_came_of_it_in_words(choice: Choice, target: Target, verdict: str, said: str) -> None:
    found = certificate(choice, target)
    assert found.verdict == found.to_json()["verdict"] == verdict
    assert said in found.sentence()
    assert "the hardest one pays most: -30.00 points" in found.sentence()
    assert "Against the base, on 30 further problems: -10.00 points" in found.sentence()
