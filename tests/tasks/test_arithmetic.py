"""The embedded task: exact answers, exceptions that hold as often as stated, splits that cannot overlap."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import chisquare

from tersely.errors import UserError
from tersely.records import Kind, content_id
from tersely.tasks.sources.arithmetic import (
    EXCEPTION_RATES,
    LEVELS,
    OPERATIONS,
    arithmetic_exercises,
    arithmetic_problems,
    draw_condition,
    draw_exercise,
)
from tersely.toy.arithmetic import STRAIGHT, Style, demonstration, draw_demonstration, draw_practice, prompt_words

SPLITS = ("train", "held_out", "gate")


def independent_answer(question: str) -> int:
    """A second reading of the question: Python's own integers, reduced modulo 10 once at the end of each chain."""

    def chain(text: str) -> int:
        value = 0
        for op, digits in re.findall(r"([-+*])(\d+)", text):
            number = int(digits)
            value = {"+": value + number, "-": value - number, "*": value * number}[op]
        return value

    match = re.fullmatch(r"(.*) , if (.*) is 0 then (\(e\) [-+]\d) \?", question)
    assert match is not None
    main, condition, exception = match.groups()
    value = chain(main)
    if chain(condition) % 10 == 0:
        value += int(exception.split()[1])
    return value % 10


@pytest.mark.slow
def test_answers_agree_with_an_independent_evaluator() -> None:
    rng = random.Random(5)
    exercises = [draw_exercise(rng, level, holds) for level in LEVELS for holds in (True, False) for _ in range(100)]
    for exercise in exercises:
        assert exercise.answer == independent_answer(exercise.question)


def test_worked_example_by_hand() -> None:
    """4 + 5 = 9, 9 * 3 = 27 -> 7; condition 6 * 3 = 18 -> 8, 8 - 2 = 6, 6 - 6 = 0 holds; 7 + 2 = 9."""
    question = "(1) +4 (2) +5 (3) *3 , if (a) +6 (b) *3 (c) -2 (d) -6 is 0 then (e) +2 ?"
    assert independent_answer(question) == 9
    assert independent_answer(question.replace("(d) -6", "(d) -8")) == 7


def test_an_unchecked_exception_is_always_wrong() -> None:
    rng = random.Random(6)
    for level in LEVELS:
        for _ in range(200):
            exercise = draw_exercise(rng, level, holds=True)
            assert exercise.holds
            assert exercise.answer != exercise.main.value


@pytest.mark.parametrize(
    "split", [pytest.param(split, marks=[] if split == "train" else [pytest.mark.slow]) for split in SPLITS]
)
def test_exceptions_hold_at_the_stated_rate(split: str) -> None:
    exercises = arithmetic_exercises(split, 1200, seed=3)
    for level, rate in EXCEPTION_RATES.items():
        found = [e.holds for e in exercises if e.level == level]
        assert len(found) == 200
        assert abs(sum(found) - rate * 200) <= 1


@pytest.mark.slow
def test_no_part_of_the_condition_tells_whether_it_holds() -> None:
    """Any steps that leave out (a), (c) or (d) are distributed alike in both cases (chi-squared, five sigma)."""
    rng = random.Random(7)
    draws = {holds: [draw_condition(rng, holds).words() for _ in range(20_000)] for holds in (True, False)}
    for parts in ([1], [3], [5], [7], [1, 7], [1, 3, 5], [1, 3, 7], [3, 5, 7]):
        counts = {h: Counter(tuple(w[i] for i in parts) for w in words) for h, words in draws.items()}
        keys = sorted(counts[True] | counts[False])
        observed, other = [counts[True][k] for k in keys], [counts[False][k] for k in keys]
        pooled = [(a + b) / 2 for a, b in zip(observed, other, strict=True)]
        statistic = chisquare(observed, pooled).statistic + chisquare(other, pooled).statistic
        freedom = len(keys) - 1
        assert statistic < freedom + 5 * (2 * freedom) ** 0.5, parts


@pytest.mark.slow
def test_splits_never_overlap_whatever_the_seeds() -> None:
    ids = {split: {p.id for seed in (0, 1) for p in arithmetic_problems(split, 600, seed)} for split in SPLITS}
    assert not ids["train"] & ids["held_out"]
    assert not ids["train"] & ids["gate"]
    assert not ids["held_out"] & ids["gate"]


def test_problems_are_distinct_balanced_and_labelled() -> None:
    problems = arithmetic_problems("held_out", 600, seed=0)
    assert len({p.id for p in problems}) == 600
    assert Counter(p.difficulty for p in problems) == {str(level): 100 for level in LEVELS}
    for problem in problems:
        assert problem.id == content_id(problem.question, problem.answer)
        assert (problem.kind, problem.source, problem.split) == (Kind.MATH, "arithmetic", "held_out")
        main = problem.question.split(" , ")[0]
        assert len(re.findall(r"\(\d\)", main)) == int(problem.difficulty or 0) + 1


def test_problems_are_a_function_of_the_seed() -> None:
    assert arithmetic_problems("train", 60, 4) == arithmetic_problems("train", 60, 4)
    assert arithmetic_problems("train", 60, 4) != arithmetic_problems("train", 60, 5)


def test_every_level_has_far_more_problems_than_are_drawn() -> None:
    """Level 1 alone: 10 first digits x 13 steps x 10 x 13 x 13 x 10 conditions x 10 exceptions > 30 000."""
    kinds = len({w for seed in range(500) for w in draw_exercise(random.Random(seed), 6, False).main.words()[3::2]})
    assert kinds >= 13
    assert 10 * kinds * 10 * kinds * kinds * 10 * 10 > 30_000
    assert len(OPERATIONS) == 23


def test_bad_requests_are_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        arithmetic_problems("train", 0, 0)
    with pytest.raises(UserError, match="unknown split"):
        arithmetic_problems("test", 6, 0)  # type: ignore[arg-type]


# ---- demonstrations


def test_straight_demonstrations_that_look_are_right_and_others_give_the_main_value() -> None:
    rng = random.Random(8)
    for _ in range(300):
        exercise = draw_exercise(rng, rng.choice(LEVELS), rng.random() < 0.5)
        words = demonstration(exercise, rng, STRAIGHT)
        expected = exercise.answer if "if" in words else exercise.main.value
        assert words[-4:] == ["\\boxed{", str(expected), "}", "<eos>"]


def test_demonstrations_end_with_what_they_believe_and_are_mostly_right() -> None:
    rng = random.Random(9)
    right, skips, lengths = 0, 0, []
    for _ in range(1000):
        holds = rng.random() < 0.1
        exercise = draw_exercise(rng, rng.choice(LEVELS), holds)
        words = demonstration(exercise, rng, Style())
        believed = [words[i + 1] for i, word in enumerate(words) if word == "so"][-1]
        assert words[-5:] == ["</think>", "\\boxed{", believed, "}", "<eos>"]
        right += believed == str(exercise.answer)
        skips += "if" not in words
        lengths.append(len(words))
    assert right > 800
    assert 100 <= skips <= 200
    assert 80 <= sum(lengths) / len(lengths) <= 115


def test_demonstrations_never_show_a_problem_of_another_split() -> None:
    rng = random.Random(10)
    for _ in range(200):
        prompt, _ = draw_demonstration(rng, Style())
        question = " ".join(prompt[1:-1])
        assert int(content_id(question, str(independent_answer(question))), 16) % 10 >= 2


def test_tokenizer_round_trip_without_unknown_tokens(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from tersely.toy.tokenizer import VOCABULARY, build_tokenizer

    build_tokenizer().save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    rng = random.Random(11)
    for index in range(200):
        prompt, response = draw_practice(rng) if index % 2 else draw_demonstration(rng, Style())
        asked = [{"role": "user", "content": " ".join(prompt[1:-1])}]
        ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
        assert ids == [VOCABULARY[word] for word in prompt]
        ids = [VOCABULARY[word] for word in response]
        text = tokenizer.decode(ids, skip_special_tokens=True)
        assert text == " " + " ".join(response[:-1])
        assert tokenizer.encode(text) == ids[:-1]


def test_prompt_words_are_the_question() -> None:
    exercise = draw_exercise(random.Random(12), 3, False)
    assert " ".join(prompt_words(exercise)) == f"Q: {exercise.question} <think>"
