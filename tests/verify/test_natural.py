"""Answers as models type them: the kinds met in graded responses, and how much budget any verdict may depend on."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tersely.records import Kind, Status
from tersely.verify import Judge
from tersely.verify.judge import judge_here

ROOT = Path(__file__).resolve().parents[2]
NATURAL = Path(os.environ.get("TERSELY_CASES", ROOT.parent / "shared" / "cases")) / "natural.jsonl"
LAST_NUMBER_OF_PROSE = {66, 67}
"""Lines on which docs/verify.md decides otherwise than the label: the last number of prose is no answer."""
small = st.integers(2, 400)


def load(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def right(gold: str, response: str, kind: str = Kind.MATH) -> bool:
    return judge_here(gold, response, kind)[0].status is Status.CORRECT


def boxed(answer: str) -> str:
    return f"Thus $\\boxed{{{answer}}}$."


@pytest.mark.skipif(not NATURAL.exists(), reason="the kinds met in graded responses are not here")
def test_every_kind_met_in_graded_responses_is_as_labelled_or_stated_policy() -> None:
    rows = load(NATURAL)
    with Judge() as judge:
        found = judge.judge([(row["gold"], row["response"], row.get("kind", "math")) for row in rows])
    wrong = {n for n, (row, v) in enumerate(zip(rows, found, strict=True), start=1) if not _as_labelled(row, v.status)}
    assert wrong == LAST_NUMBER_OF_PROSE
    assert all(found[n - 1].status is Status.NO_ANSWER for n in LAST_NUMBER_OF_PROSE)


def _as_labelled(row: dict, status: Status) -> bool:
    """The label says CORRECT or that it is not; which other status it gets is the policy's."""
    return (row["expected"] in (True, "CORRECT")) == (status is Status.CORRECT)


@pytest.mark.slow
def test_no_verdict_is_near_the_budget() -> None:
    """With a quarter of the CPU seconds all are the same, so that no load of the machine can turn one."""
    rows = [row for path in sorted((ROOT / "tests" / "data").glob("verify_*.jsonl")) for row in load(path)]
    items = [(row["gold"], row["response"], row["kind"]) for row in rows]
    asked = [item for item in items if judge_here(*item)[1] is not None]
    assert len(asked) >= 20
    found = []
    for seconds in (0.5, 2.0):
        with Judge(cpu_seconds=seconds) as judge:
            found.append([verdict.status for verdict in judge.judge(asked)])
    assert found[0] == found[1]


NAMED = [
    "f(-2) = {}", "f(f(2)) = {}", "f\\left(\\frac{{1}}{{2}}\\right) = {}", "(f \\circ g)(2) = {}", "g(2,3) = {}",
    "f(2)+f(3) = {}", "\\text{{Area of }} \\triangle ABC = {}", "\\text{{Area}}_{{ABC}} = {}", "m\\angle ABC = {}",
    "|\\triangle ABC| = {}", "|A \\cup B| = {}", "\\sigma^2 = {}", "\\text{{Total: }} {}",
]  # fmt: skip


@pytest.mark.parametrize("named", NAMED)
@given(small, small)
def test_what_only_names_the_value_is_passed_over(named: str, value: int, other: int) -> None:
    assume(value != other)
    assert right(str(value), boxed(named.format(value)))
    assert not right(str(value), boxed(named.format(other)))


@pytest.mark.parametrize("unsolved", ["x(x+1) = {}", "f(14)/2 = {}", "|x| = {}", "2x = {}"])
@given(small)
def test_an_equation_that_is_still_to_be_solved_is_no_value(unsolved: str, value: int) -> None:
    assert not right(str(value), boxed(unsolved.format(value)))


SENTENCES = [
    "Final Answer: The measure of angle $C$ is ${}^\\circ$.",
    "Therefore, the answer is: there are **{}** different arrangements.",
    "Answer: Tom has {} marbles left.",
    "Answer: The ticket costs \\${}.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
@given(small, small)
def test_a_sentence_with_formulas_or_bold_numbers_states_its_value(sentence: str, value: int, other: int) -> None:
    assume(value != other)
    assert right(str(value), sentence.format(value))
    assert not right(str(value), sentence.format(other))


@pytest.mark.parametrize("hedge", ["at most", "not", "less than", "more than"])
@given(small)
def test_a_hedged_sentence_states_none(hedge: str, value: int) -> None:
    assert not right(str(value), f"Answer: Tom has {hedge} {value} marbles left.")


TAKEN_BACK = [
    "Wait, this is wrong, it should be 16.",
    "Sorry, that is incorrect.",
    "No, it should be 16.",
    "Oops, I made a mistake.",
]
GOES_ON = [
    "Wait, let me check that: yes.",
    "No other value works.",
    "Actually it is the same as before.",
    "This is it.",
]


@given(small)
def test_a_box_taken_back_behind_it_is_no_answer_and_a_check_changes_nothing(value: int) -> None:
    assert not any(right(str(value), f"\\boxed{{{value}}}\n\n{words}") for words in TAKEN_BACK)
    assert all(right(str(value), f"\\boxed{{{value}}}\n\n{words}") for words in GOES_ON)


@pytest.mark.parametrize(
    "nothing", ["\\phantom{x}", "\\underline{\\hspace{\\fill}}", "\\square", "\\text{your answer}"]
)
@given(small, small)
def test_a_box_to_be_filled_in_hides_no_answer(nothing: str, value: int, other: int) -> None:
    assume(value != other)
    assert right(str(value), f"**Final answer:** ${value}$\n\n\\boxed{{{nothing}}}")
    assert not right(str(value), f"**Final answer:** ${other}$\n\n\\boxed{{{nothing}}}")


@given(small, small, small)
def test_a_ratio_in_words_is_that_ratio(a: int, b: int, c: int) -> None:
    assume(a != b and Fraction(a, b) != Fraction(c, b))
    for words in (f"\\text{{{a} to {b}}}", f"{a} \\text{{ to }} {b}", f"{a} to {b}"):
        assert right(f"{1000 * a}:{1000 * b}", boxed(words))
        assert not right(f"{1000 * b}:{1000 * a}", boxed(words))
        assert not right(f"{1000 * c}:{1000 * b}", boxed(words))


@given(st.integers(2, 40), st.integers(2, 40))
def test_a_family_of_solutions_may_name_its_constant_otherwise(rate: int, other: int) -> None:
    assume(rate != other)
    assert right(f"y=Ce^{{{rate}x}}", boxed(f"y = A e^{{{rate}x}}"))
    assert not right(f"y=Ce^{{{rate}x}}", boxed(f"y = A e^{{{other}x}}"))
    assert not right(f"y=Ce^{{{rate}x}}", boxed(f"y = {other} e^{{{rate}x}}"))
    assert not right(f"Q=C{rate}V", boxed(f"Q=A{rate}V"))


@given(st.integers(2, 10), st.integers(2, 60))
def test_a_logarithm_keeps_its_argument_of_several_digits(base: int, power: int) -> None:
    value = base**power
    assert right(str(power), boxed(f"\\log_{base} {value}") if base < 10 else boxed(f"\\log_{{10}} {value}"))
    assert not right(str(power), boxed(f"\\log_{{{base}}} {value + 1}"))


@pytest.mark.parametrize(
    ("gold", "response", "agree"),
    [
        ("47", boxed("47\\ \\text{k}\\Omega"), True),
        ("47\\text{ kΩ}", boxed("47\\ k\\Omega"), True),
        ("47\\text{ kΩ}", boxed("47\\ M\\Omega"), False),
        ("5\\sqrt{2}", boxed("5\\sqrt{2}\\ (\\approx 7.07)"), True),
        ("5\\sqrt{2}", boxed("5\\sqrt{2}\\ (\\approx 7.17)"), False),
        ("\\frac{1}{2}", boxed("\\text{half}"), True),
        ("0.5", boxed("\\text{one-half}"), True),
        ("2", boxed("\\text{half}"), False),
        ("\\frac{2}{3}", boxed("\\text{two thirds}"), True),
        ("\\frac{3}{2}", boxed("\\text{two thirds}"), False),
        ("3", boxed("\\text{a third}"), False),
        ("23", boxed("\\text{twenty-third}"), True),
        ("2.75", boxed("\\text{two and three quarters}"), True),
        ("2", boxed("\\text{two and a half}"), False),
        ("\\frac{1}{3}", boxed("0.(3)"), True),
        ("\\frac{1}{6}", boxed("0.1(6)"), True),
        ("0.6", boxed("0.1(6)"), False),
        ("12", boxed("XII"), False),
        ("XII", boxed("XII"), True),
        ("7", "so $x<\\boxed{7}$", True),
        ("7", "$(\\boxed{7}, 8)$", False),
        ("8", "$\\left(7, \\boxed{8}\\right)$", False),
        ("(7,8)", "$(\\boxed{7}, \\boxed{8})$", True),
        ("7", "\\(\\boxed{7}, 8\\)", True),
    ],
)
def test_a_rare_form_and_its_negative_twin(gold: str, response: str, agree: bool) -> None:
    assert right(gold, response) == agree


def test_the_reason_of_a_choice_may_name_another_choice() -> None:
    said = "The correct answer is B) photosynthesis, since A) respiration uses oxygen."
    assert right("B", said, Kind.CHOICE)
    assert not right("A", said, Kind.CHOICE)
