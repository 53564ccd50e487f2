"""No sign and no word of an answer ends the judge: whatever a model types gets a verdict."""

from __future__ import annotations

import unicodedata

import pytest

from tersely.records import Status
from tersely.verify.judge import gold_here, judge_here
from tersely.verify.kinds import KINDS

DIGIT_SIGNS = sorted(
    {unicodedata.name(chr(c)).rpartition(" ")[0]: chr(c) for c in range(0x1FBFA) if chr(c).isdigit()}.values()
)
"""One digit of every script that has digits, decimal ones and others: Ethiopic, circled, mathematical."""
PLACES = (
    "{0}", "2{0}", "0.{0}", "{0}/2", "5 {0}", "C({0},2)", "{0}:2", "{0}%", "{0}_2", "\\sqrt{0}", "x^{0}",
    "0.\\overline{{{0}}}", "January {0}", "{0},000", "{0}st", "x \\equiv {0} \\pmod {0}", "{0} cents",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_digit_of_any_script_at_any_place_is_judged(place: str) -> None:
    for sign in DIGIT_SIGNS:
        text = place.format(sign)
        for gold in ("7", "x+7", text):
            gold_here(gold, "math")
            for kind in KINDS:
                judge_here(gold, f"\\boxed{{{text}}}", kind)


@pytest.mark.parametrize("answer", ["or", "and", "unordered", "\\text{or}", "or}{5", ", or", "\\{or\\}"])
@pytest.mark.parametrize("gold", ["5", "\\frac{3}{5}", "x", "(1,2)", "\\{1,2\\}", "x<1"])
def test_a_word_that_joins_answers_is_none_itself(gold: str, answer: str) -> None:
    assert judge_here(gold, f"\\boxed{{{answer}}}", "math")[0].status is not Status.CORRECT


@pytest.mark.parametrize("gold", ["x \\equiv 3 \\pmod{5}", "x \\equiv 3 \\pmod 0", "x = 5k+3, k \\in \\mathbb{Z}", "3"])
def test_a_residue_for_a_modulus_of_zero_is_no_answer_and_no_gold(gold: str) -> None:
    assert judge_here(gold, "\\boxed{x \\equiv 4 \\pmod{00}}", "math")[0].status is Status.WRONG
    assert gold_here("x \\equiv 3 \\pmod{0}", "math")[0] is not None
