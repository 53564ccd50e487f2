"""The answer checker as seen from outside: case files, gold against itself, properties, the lines of a file."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.records import Kind, Status
from tersely.verify import KINDS, Judge, extract, verify_lines
from tersely.verify.extract import TAIL
from tersely.verify.grammar import clean, key
from tersely.verify.judge import gold_here, judge_here
from tersely.verify.summary import Tally

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TERSELY_DATA", ROOT.parent / "shared" / "data"))
CASES = Path(os.environ.get("TERSELY_CASES", ROOT.parent / "shared" / "cases")) / "adversarial.jsonl"


def load(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


OWN = load(ROOT / "tests" / "data" / "verify_cases.jsonl")
BLIND = [
    row
    for name in ("blind", "blind_two", "blind_three", "blind_four")
    for row in load(ROOT / "tests" / "data" / f"verify_{name}.jsonl")
]
"""Written before any judge saw them, half and more of them wrong (docs/verify.md has the rates of the first look)."""


def status(gold: str, response: str, kind: Kind = Kind.MATH) -> Status:
    """What this process says without a worker (UNJUDGED where it would ask one)."""
    return judge_here(gold, response, kind)[0].status


def boxed(answer: str) -> str:
    return f"So it is $\\boxed{{{answer}}}$."


def complaint(row: dict, found: Status) -> str | None:
    expected = row["expected"]
    good = found is not Status.CORRECT if expected == "not CORRECT" else found.value == expected
    if found is Status.UNJUDGED or not good:
        return f"{row['id']}: gold {row['gold']!r}, response {row['response'][:80]!r}: {found.value}, not {expected}"
    return None


@pytest.mark.slow
def test_every_own_case_has_the_expected_status() -> None:
    assert len(OWN) >= 150
    assert all(row["source"] for row in OWN)
    with Judge() as judge:
        rows = OWN + BLIND
        found = judge.judge([(row["gold"], row["response"], row["kind"]) for row in rows])
        assert judge.check_golds((row["gold"], row["kind"]) for row in BLIND) == [None] * len(BLIND)
    assert [c for row, v in zip(rows, found, strict=True) if (c := complaint(row, v.status))] == []


@pytest.mark.slow
@pytest.mark.skipif(not CASES.exists(), reason="the hostile set is not here")
def test_hostile_set_no_false_positive_and_no_false_negative() -> None:
    rows = load(CASES)
    with Judge() as judge:
        found = judge.judge([(row["gold"], row["response"], Kind.MATH) for row in rows])
    wrong = [r["id"] for r, v in zip(rows, found, strict=True) if r["expected"] is False and v.status is Status.CORRECT]
    missed = [
        r["id"] for r, v in zip(rows, found, strict=True) if r["expected"] is True and v.status is not Status.CORRECT
    ]
    assert wrong == []
    assert missed == []
    assert all(v.status is not Status.UNJUDGED for v in found)


@pytest.mark.parametrize("name", ["gsm8k_test", "aime2024", "math500", "commonsenseqa_dev", "logical_deduction_dev"])
def test_gold_against_itself(name: str) -> None:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("no data here")
    kind = Kind.CHOICE if load(path)[0]["answer_type"] == "choice" else Kind.MATH
    golds = [row["answer"] for row in load(path)]
    assert [gold for gold in golds if gold_here(gold, kind)[0]] == []
    assert [gold for gold in golds if status(gold, boxed(gold), kind) is not Status.CORRECT] == []


@pytest.mark.parametrize(
    ("gold", "kind", "usable"),
    [
        ("42", Kind.MATH, True),
        ("", Kind.MATH, False),
        ("  ", Kind.EXACT, False),
        ("\\frac{1}{0}", Kind.MATH, False),
        ("9^{9^{9^9}}", Kind.MATH, False),
        ("\\frac{1}{", Kind.MATH, False),
        ("B", Kind.CHOICE, True),
        ("bank", Kind.CHOICE, False),
        ("A or B", Kind.CHOICE, False),
        ("\\text{no solution}", Kind.MATH, True),
        ("x" * 3000, Kind.EXACT, False),
    ],
)
def test_a_gold_that_cannot_be_used_is_named(gold: str, kind: Kind, usable: bool) -> None:
    with Judge() as judge:
        assert (judge.check_gold(gold, kind) is None) == usable
        assert judge.pool.workers == []


# --- properties ---------------------------------------------------------------------------------------------------

integers = st.integers(-(10**7), 10**7)
fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=500)


def latex(value: Fraction) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def spell(value: Fraction, style: int) -> str:
    """The same rational in one of five spellings (Python's Fraction is the independent arithmetic)."""
    twice = f"\\dfrac{{{2 * value.numerator}}}{{{2 * value.denominator}}}"
    whole, rest = divmod(value.numerator, value.denominator)
    plus = f"{whole} + \\frac{{{rest}}}{{{value.denominator}}}"
    return [latex(value), f"{value.numerator}/{value.denominator}", twice, f"\\left({latex(value)}\\right)", plus][
        style
    ]


@given(fractions, st.integers(0, 4), st.integers(0, 4))
def test_every_spelling_of_a_rational_agrees(value: Fraction, one: int, other: int) -> None:
    assert status(spell(value, one), boxed(spell(value, other))) is Status.CORRECT


@given(fractions, fractions, st.integers(0, 4))
def test_different_rationals_never_agree(value: Fraction, other: Fraction, style: int) -> None:
    # Percent is the one stated exception (50 and 0.5 agree only when one has a percent sign, which none has here).
    assume(value != other)
    assert status(latex(value), boxed(spell(other, style))) is Status.WRONG


expressions = st.recursive(
    st.one_of(st.integers(1, 20).map(str), st.sampled_from(["x", "y", "\\pi", "\\sqrt{2}"])),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"\\frac{{{p[0]}}}{{{p[1]}}}"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]}+{p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"{p[0]}\\cdot {p[1]}"),
        inner.map(lambda p: f"\\sqrt{{{p}}}"),
    ),
    max_leaves=8,
)


@given(expressions)
def test_an_expression_agrees_with_itself_however_it_is_dressed(text: str) -> None:
    dressed = text.replace("\\frac", "\\dfrac").replace("(", "\\left( ").replace(")", " \\right)").replace("+", " + ")
    for answer in (text, f" {text} ", f"${dressed}$", f"{{{dressed}}}", f"{text}."):
        assert status(text, boxed(answer)) is Status.CORRECT


@given(expressions, st.fractions(min_value=Fraction(1, 5000), max_value=3, max_denominator=5000))
def test_an_expression_differs_from_itself_scaled(text: str, gap: Fraction) -> None:
    assert status(text, boxed(f"({text})\\cdot (1+{latex(gap)})")) is not Status.CORRECT


prose = st.text(st.characters(codec="utf-8", exclude_characters="\\<|"), max_size=80)


@given(integers, prose)
def test_prose_after_the_final_box_changes_nothing(value: int, text: str) -> None:
    assert status(str(value), boxed(str(value)) + text) is Status.CORRECT
    assert status(str(value), boxed(str(value + 1)) + text) is Status.WRONG


@given(integers, integers, prose)
def test_a_second_wrong_box_never_makes_an_answer_right(value: int, other: int, text: str) -> None:
    assume(value != other)
    for first in (value, other):
        assert status(str(value), boxed(str(first)) + text + boxed(str(other))) is not Status.CORRECT


@given(integers, st.data())
def test_a_box_cut_anywhere_is_no_answer(value: int, data: st.DataObject) -> None:
    whole = f"First \\boxed{{{value}}}. Again: \\boxed{{{value}}}"
    cut = data.draw(st.integers(whole.rindex("{") + 1, len(whole) - 1))
    assert status(str(value), whole[:cut]) is Status.NO_ANSWER


@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=40))
def test_no_text_raises_and_none_is_right_by_chance(response: str, inside: str) -> None:
    for text in (response, boxed(inside), f"<think>{response}</think>{inside}"):
        assert status("48151623", text) in (Status.WRONG, Status.NO_ANSWER)


latex_soup = st.lists(
    st.sampled_from(
        [
            "\\frac",
            "{",
            "}",
            "1",
            "2",
            "x",
            "^",
            "_",
            "\\sqrt",
            "(",
            ")",
            "[",
            "]",
            ",",
            "\\pm",
            "=",
            "\\le",
            "\\cup",
            "!",
            "\\text{",
            "%",
            "\\sin",
            "\\{",
            "\\}",
            "|",
            "\\begin{pmatrix}",
            "\\end{pmatrix}",
            "&",
            "\\\\",
            ":",
            "\\log",
            "e",
            "i",
            "\\infty",
            "-",
            "*",
            "/",
            ".",
            "\\deg",
            "^\\circ",
            "\\overline",
            " or ",
            "$",
            "\\boxed{",
            "\\in",
            "\\approx",
            "0",
        ]
    ),
    max_size=25,
).map("".join)


@pytest.mark.slow
@settings(max_examples=300)
@given(latex_soup, latex_soup)
def test_any_latex_is_judged_without_an_exception(gold: str, answer: str) -> None:
    gold_here(gold, Kind.MATH)
    for kind in KINDS:
        judge_here(gold, boxed(answer), kind)
    found = judge_here(gold, boxed(gold), Kind.MATH)[0]
    # A usable gold agrees with itself unless the text cannot survive in a box (braces, nested boxes, several answers).
    if gold_here(gold, Kind.MATH) == (None, None) and found.extracted == gold.strip():
        assert found.status is Status.CORRECT


@given(st.text(max_size=200))
def test_cleaning_and_the_key_never_raise_and_the_key_is_stable(text: str) -> None:
    assert isinstance(clean(text), str)
    assert key(text) == key(f" {text} ")


# --- the lines of a file ------------------------------------------------------------------------------------------


def test_lines_come_back_in_order_with_a_verdict_each() -> None:
    rows = [{"gold": str(i), "response": boxed(str(i % 7)), "n": i} for i in range(20)]
    rows.append({"gold": "B", "response": "The answer is (B).", "kind": "choice"})
    found = [json.loads(line) for line in verify_lines([json.dumps(row) + "\n" for row in rows] + ["\n"])]
    assert [{name: row[name] for name in row if name in ("gold", "response", "kind", "n")} for row in found] == rows
    assert [row["status"] for row in found] == ["CORRECT"] * 7 + ["WRONG"] * 13 + ["CORRECT"]
    assert all(row["seconds"] >= 0 and row["reason"] for row in found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "input:2: not valid JSON"),
        ("[1]", "input:2: a line must be one JSON object"),
        ('{"gold": "1"}', "input:2: no text field 'response'"),
        ('{"gold": 1, "response": ""}', "input:2: no text field 'gold'"),
        ('{"gold": "1", "response": "", "kind": "maths"}', "did you mean 'math'"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_written(line: str, message: str) -> None:
    lines = verify_lines(['{"gold": "1", "response": "1"}', line])
    with pytest.raises(UserError, match=message.replace("(", "\\(")):
        next(lines)


def test_a_kind_that_is_not_there_is_refused_though_every_line_names_its_own() -> None:
    with pytest.raises(UserError, match="did you mean 'countdown'"):
        next(verify_lines(['{"gold": "1", "response": "1", "kind": "math"}'], default="countdwn"))


def test_a_gold_that_cannot_be_judged_is_a_matter_of_its_line() -> None:
    golds = ["1", "", "\\frac{1}{0}", "1"]
    tally = Tally()
    lines = verify_lines([json.dumps({"gold": gold, "response": "\\boxed{1}"}) for gold in golds], tally=tally)
    found = [json.loads(line) for line in lines]
    assert [row["status"] for row in found] == ["CORRECT", "UNJUDGED", "UNJUDGED", "CORRECT"]
    assert "is empty" in found[1]["reason"]
    assert list(tally.sentences()) == ["2 of 4 gold answers cannot be judged: lines 2, 3 (UNJUDGED, with the reason)"]


def test_what_is_cut_or_restated_is_counted() -> None:
    tally = Tally()
    responses = ["\\boxed{12} " + "x" * TAIL, "x" * TAIL + " \\boxed{12}", "\\boxed{123 \\cdot 456}"]
    golds = ["12", "12", "56088"]
    rows = [json.dumps({"gold": g, "response": r}) for g, r in zip(golds, responses, strict=True)]
    found = [json.loads(line) for line in verify_lines(rows, tally=tally)]
    assert [row["status"] for row in found] == ["NO_ANSWER", "CORRECT", "WRONG"]
    assert (tally.cut, tally.restated) == (2, 1)
    assert len(list(tally.sentences())) == 2


def test_the_published_policy_takes_the_last_number_and_says_so() -> None:
    tally = Tally()
    rows = [
        ("7", "She has 7 nickels."),
        ("7", "She has 8 nickels."),
        ("0.3333", "\\boxed{\\frac13}"),
        ("5", "\\boxed{5}"),
    ]
    lines = [json.dumps({"gold": g, "response": r}) for g, r in rows]
    found = [json.loads(line) for line in verify_lines(lines, tally=tally, policy="published")]
    assert [row["status"] for row in found] == ["CORRECT", "WRONG", "CORRECT", "CORRECT"]
    assert [row["own_status"] for row in found] == ["NO_ANSWER", "NO_ANSWER", "WRONG", "CORRECT"]
    assert {row["policy"] for row in found} == {"published"}
    assert tally.agreed == 1
    with pytest.raises(UserError, match="policy 'papers' is unknown"):
        next(verify_lines(lines, policy="papers"))


@pytest.mark.slow
def test_an_audit_lists_where_math_verify_differs() -> None:
    tally = Tally()
    rows = [("5", "\\boxed{5}"), ("7", "She has 7 nickels."), ("5", "\\boxed{6}")]
    lines = [json.dumps({"gold": g, "response": r}) for g, r in rows]
    found = [json.loads(line) for line in verify_lines(lines, tally=tally, audit=True)]
    assert [row["math_verify"] for row in found] == ["CORRECT", "CORRECT", "WRONG"]
    assert tally.differ == {("NO_ANSWER", "no final answer stated", "CORRECT"): [2]}
    assert "math-verify agrees on 2 of 3 lines" in list(tally.sentences())


# --- extraction ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_extraction_is_linear_on_long_hostile_text() -> None:
    """A million characters of each: an extractor with backtracking would need hours, so finishing is the test."""
    for piece in (
        "\\boxed{",
        "\\boxed",
        "\\boxed{a}",
        "{",
        "answer is ",
        "answer: 1 ",
        "#### ",
        "<think>",
        "</think>",
        "** ",
        " ",
        "\\",
        "$",
        "(",
    ):
        judge_here("1", piece * (1_000_000 // len(piece)), Kind.MATH)


def test_a_long_answer_costs_little() -> None:
    for piece in (
        "\\frac{1}{",
        "(",
        "{",
        "9",
        "9,",
        "x^",
        "-",
        "\\sqrt",
        "\\text{or}",
        "√(",
        "²",
        " ",
        "1 ",
        "½",
        "\\left(",
    ):
        verdict = judge_here("1", boxed(piece * (15_000 // len(piece)) + "1"), Kind.MATH)[0]
        assert verdict.status is not Status.CORRECT or set(piece) <= set("{ -")
        assert verdict.seconds < 0.5


def test_only_text_after_the_thinking_counts() -> None:
    assert extract("<think>\\boxed{1}</think> so \\boxed{2}").answer == "2"
    assert extract("<think>\\boxed{1}").answer is None
    assert extract("\\boxed{2} <think>").answer is None
