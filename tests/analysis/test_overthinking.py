"""Where an answer first stands, what counts as running in circles, and what a summary makes of both."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.analysis import ProtocolFacts, summarise
from tersely.analysis.overthinking import LONGEST, TIMES, WORDS, first_answer, loops, read_texts, summarise_overthinking
from tersely.records import EvalRecord, Finish, Status

DATA = Path(os.environ.get("TERSELY_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    ("before", "gold"),
    [
        ("48 + 24 = 72", "72"),
        ("So the answer is $72", "72"),
        ("that gives \\(1,234", "1234"),
        ("the total is 1234", "1,234"),
        ("x = \\frac{1}{2}", "0.5"),
        ("hence 0.50", "1/2"),
        ("thus \\boxed{\\frac43", "4/3"),
        ("so it is -5", "-5"),
        ("so \\boxed{ 7", "7"),
        ("#### 18", "18"),
        ("**Answer:** (C", "C"),
        ("the answer is \\boxed{\\text{(B", "B"),
        ("the answer is \\boxed{\\left( 3, \\dfrac{\\pi}{2} \\right)", "\\left( 3, \\frac{\\pi}{2} \\right)"),
        ("It must be Evelyn", "\\text{Evelyn}"),
        ("(1) +3 = 3 (2) *3 = 9 so 9", "9"),
    ],
)
def test_the_first_statement_is_found_where_it_ends(before: str, gold: str) -> None:
    text = before + ".\nWait, let me check that once more. Yes."
    assert first_answer(text, gold) == len(before)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("We take 72 clips.", "72"),
        ("x is 72 + 3 then", "72"),
        ("x = 72 \\times 3", "72"),
        ("(1) +3 = 3 (2) *3 = 9 Wait, (3)", "3"),
        ("it is 172, 72.5, 720 or 72,000", "72"),
        ("so it is -5", "5"),
        ("it is a bank, so A bank", "A"),
        ("the answer is Brown", "B"),
        ("", "7"),
        ("the answer is 7", ""),
    ],
)
def test_what_is_no_statement_of_the_answer(text: str, gold: str) -> None:
    assert first_answer(text, gold) is None


def test_another_spelling_that_the_judge_accepted_counts_too() -> None:
    text = "so x = \\sqrt{8}. Check. The answer is 2\\sqrt{2}."
    assert first_answer(text, "2\\sqrt{2}") == len(text) - 1
    assert first_answer(text, "2\\sqrt{2}", "\\sqrt{8}") == len("so x = \\sqrt{8}")


def brute(words: list[str]) -> bool:
    """The definition read literally, for words that all say something: every start, every block length."""
    n = len(words)
    for start in range(n):
        for period in range(1, min(LONGEST, n // TIMES) + 1):
            end = start + period
            while end < n and words[end] == words[end - period]:
                end += 1
            if end - start >= max(TIMES * period, WORDS):
                return True
    return False


@given(st.randoms(use_true_random=False), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2))
def test_loops_are_those_of_the_definition(rng: random.Random, period: int, times: int, slips: int) -> None:
    block = [rng.choice("ab") for _ in range(period)]
    words = [rng.choice("abc") for _ in range(rng.randrange(9))] + block * times
    words += [rng.choice("abc") for _ in range(rng.randrange(1, 9))]
    for _ in range(slips):
        words[rng.randrange(len(words))] = "x"
    # The end is looked at without its last word, which may be cut; that changes nothing for short blocks.
    assert loops(" ".join(words)) == brute(words)


def test_a_long_block_counts_at_the_end_alone_and_rules_of_a_table_never() -> None:
    block = " ".join(f"w{i}" for i in range(LONGEST + 50))
    circling = " ".join([block] * TIMES)
    assert loops(circling + " w0 w1 cu")
    assert not loops(circling + " and so the answer is 7")
    assert not loops("| --- | --- | " * 40)
    assert loops("a+b=" * 60)


@pytest.mark.slow
def test_reading_is_linear_on_hostile_text() -> None:
    rng = random.Random(0)
    texts = ["a " * 60_000, "= 7 " * 30_000, "ab" * 60_000, "x" + " " * 120_000 + "y", "is \\boxed{ " * 12_000]
    texts.append(" ".join(str(rng.randrange(3)) for _ in range(40_000)))
    start = time.process_time()
    for text in texts:
        loops(text)
        first_answer(text, "7")
        first_answer(text, "x y")
    assert time.process_time() - start < 5.0  # 1 s here; a square of 120,000 would take minutes


@pytest.mark.parametrize(("name", "longest_after"), [("gsm8k_test", 0.03), ("math500", 0.15)])
def test_people_who_write_solutions_stop_at_the_answer(name: str, longest_after: float) -> None:
    """An independent check of the rules of writing: reference solutions state their own gold, end with it, hardly ever
    state another one's, and do not run in circles."""
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("no data here")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    records = [record(str(i), 0, row["answer"], row["solution"], 100) for i, row in enumerate(rows)]
    found = [first_answer(r.text, r.answer) is not None for r in records]
    block = summarise_overthinking(records, read_texts(records))
    assert sum(found) >= 0.99 * len(found)
    assert block.share_after_answer.value <= longest_after
    assert block.stated_by_chance.value <= 0.01
    assert block.loops.value == 0.0


def record(problem: str, sample: int, gold: str, text: str, tokens: int, **more: Any) -> EvalRecord:
    right = more.get("right", True)
    status = Status.CORRECT if right else Status.WRONG
    return EvalRecord(problem, "q", gold, "1", sample, status, right, tokens, Finish.EOS, None, text)


def test_the_block_of_a_summary_matches_the_arithmetic_by_hand() -> None:
    records = [
        record("a", 0, "4", "so 4" + "." * 12, 32),  # 12 of 16 characters after: 24 tokens
        record("a", 1, "4", "it is 5, so 4", 10),  # nothing after; "5" is the gold of b: found by chance
        record("b", 0, "5", "so 5 no, so 6", 10, right=False),
        record("b", 1, "5", "again " * 30, 30, right=False),
    ]
    block = summarise(records, ProtocolFacts()).overall.overthinking
    assert block.tokens_after_answer.value == pytest.approx(12.0)
    assert block.share_after_answer.value == pytest.approx(0.375)
    assert block.stated_but_wrong.value == pytest.approx(0.5)
    assert block.stated_by_chance.value == pytest.approx(0.5)
    assert block.loops.value == pytest.approx(0.25)
    assert block.loops.n == 2


def test_without_correct_responses_there_is_nothing_after_the_answer() -> None:
    block = summarise([record("b", 0, "5", "so 6", 9, right=False)], ProtocolFacts()).overall
    assert block.overthinking.tokens_after_answer is None
    assert block.overthinking.stated_by_chance is None
    assert block.spread is None
