"""Kinds that people write: a right answer dressed otherwise stays right, another value stays wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tersely.records import Kind, Status
from tersely.verify.judge import judge_here

small = st.integers(2, 400)
fractions = st.fractions(min_value=Fraction(1, 50), max_value=50, max_denominator=60)


def right(gold: str, response: str) -> bool:
    return judge_here(gold, response, Kind.MATH)[0].status is Status.CORRECT


def boxed(answer: str) -> str:
    return f"Thus $\\boxed{{{answer}}}$."


def latex(value: Fraction) -> str:
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


DRESSES = {
    "unit": "{}\\text{{ cm}}",
    "unit of pieces": "{} \\, \\text{{kcal m}}^{{-2}} \\text{{ yr}}^{{-1}}",
    "units over units": "{} \\mathrm{{~kg}} \\cdot \\mathrm{{m}} / \\mathrm{{s}}",
    "resistance": "{}\\ \\Omega",
    "length of a wave": "{} \\text{{ Å}}",
    "noun": "{} \\text{{ ways to choose}}",
    "probability": "P(X=3) = {}",
    "sine": "\\sin B = {}",
    "sum": "m+n = {}",
    "square of a side": "AC^2 = {}",
    "derivative": "f'(2) = {}",
    "limit": "\\lim_{{x\\to 2}} g(x) = {}",
    "ratio of sides": "\\frac{{AD}}{{DB}} = {}",
    "worded index": "N_{{\\text{{max}}}} = {}",
}
FRAMES = {
    "after a placeholder": "I put it in \\boxed{{}}: {}",
    "before a placeholder": "{} as asked in \\boxed{{...}}",
    "after other thinking": "<|begin_of_thought|> \\boxed{{1}} <|end_of_thought|> {} <|end_of_solution|>",
    "after a slip of thinking": "<think>t\\end{{think}} {}",
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
@given(fractions, fractions)
def test_a_dressed_value_is_that_value(dress: str, value: Fraction, other: Fraction) -> None:
    assume(value != other)
    assert right(latex(value), boxed(dress.format(latex(value))))
    assert not right(latex(value), boxed(dress.format(latex(other))))


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@given(small, small)
def test_a_framed_box_is_that_box(frame: str, value: int, other: int) -> None:
    assume(value != other)
    assert right(str(value), frame.format(boxed(str(value))))
    assert not right(str(value), frame.format(boxed(str(other))))


SENTENCES = [
    "Final Answer: The area is {}.",
    "The answer is indeed {}.",
    "### Answer\n\n{}",
    "<think>t</think><answer>{}",
]


@pytest.mark.parametrize("sentence", SENTENCES)
@given(small, small)
def test_a_sentence_states_its_last_value(sentence: str, value: int, other: int) -> None:
    assume(value != other)
    assert right(str(value), sentence.format(value))
    assert not right(str(value), sentence.format(other))
    assert not right(str(value), sentence.format(f"not {value}"))


@given(fractions, st.integers(3, 8))
def test_an_approximation_beside_the_exact_value_must_agree(value: Fraction, digits: int) -> None:
    good = f"{float(value):.{digits}f}"
    bad = f"{float(value) * 1.2 + 1:.{digits}f}"
    assert right(latex(value), boxed(f"{latex(value)} \\approx {good}"))
    assert not right(latex(value), boxed(f"{latex(value)} \\approx {bad}"))
    assert not right(latex(value), boxed(f"{latex(value + 1)} \\approx {good}"))


@given(small, small, st.integers(2, 9), small)
def test_a_ratio_is_its_proportion(a: int, b: int, k: int, c: int) -> None:
    assume(not (a <= 24 and b < 60))  # may be a time of day
    assume(Fraction(a, b) != Fraction(c, b))
    assert right(f"{a}:{b}", boxed(f"{k * a}:{k * b}"))
    assert right(f"{a}:{b}", boxed(f"\\frac{{{a}}}{{{b}}}"))
    assert not right(f"{a}:{b}", boxed(f"{c}:{b}"))
    assert not right(f"{a}:{b}", boxed(f"{b}:{a}")) or a == b


@given(fractions, fractions)
def test_the_print_of_a_float_is_its_fraction(value: Fraction, other: Fraction) -> None:
    assume(value != other)
    printed = repr(float(value))
    assert right(printed, boxed(latex(value))) or len(printed) < 16
    assert not right(printed, boxed(latex(other)))


@given(small, small)
def test_the_places_of_a_point_are_ordered(a: int, b: int) -> None:
    assume(a != b)
    for point in (
        f"({a};{b})",
        f"\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}",
        f"\\begin{{cases}}x={a}\\\\y={b}\\end{{cases}}",
    ):
        assert right(f"({a},{b})", boxed(point))
        assert not right(f"({b},{a})", boxed(point))
    assert right(f"({a},{b})", f"$x=\\boxed{{{a}}}$, $y=\\boxed{{{b}}}$")
    assert not right(f"({b},{a})", f"$x=\\boxed{{{a}}}$, $y=\\boxed{{{b}}}$")


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_the_reals_without_a_point(a: int, b: int) -> None:
    assume(a != b)
    for answer in (f"\\mathbb{{R}}\\setminus\\{{{a}\\}}", f"\\text{{all real numbers except }} {a}", f"x \\ne {a}"):
        assert right(f"(-\\infty,{a})\\cup({a},\\infty)", boxed(answer))
        assert not right(f"(-\\infty,{b})\\cup({b},\\infty)", boxed(answer))


PARTS = [
    "\\boxed{{{}}}\\pi",
    "\\boxed{{{}}} + 3",
    "\\sqrt{{\\boxed{{{}}}}}",
    "\\boxed{{{}}}{{,}}000",
    "\\boxed{{{}}}_8",
    "\\boxed{{{}}}_{{12}}",
    "\\boxed{{{}}}:1",
    "\\boxed{{{}}}\\text{{ million}}",
    "\\boxed{{{}}} is incorrect.",
    "\\boxed{{{}\\text{{ lakh}}}}",
]
PARTS += [
    "\\boxed{{{}\\text{{i}}}}",
    "\\boxed{{{}\\text{{ x}}}}",
    "\\boxed{{\\${}\\text{{M}}}}",
    "\\boxed{{{}\\text{{ recurring}}}}",
]


@pytest.mark.parametrize("part", PARTS)
@given(small)
def test_a_part_of_something_else_is_no_answer(part: str, value: int) -> None:
    assert not right(str(value), part.format(value))


@pytest.mark.parametrize(
    ("gold", "answer", "agree"),
    [
        ("x^3+C", "x^3+c", True),
        ("C_1e^{x}+C_2e^{-x}", "Ae^{x}+Be^{-x}", True),
        ("C_1e^{x}+C_2e^{-x}", "Ae^{x}+Ae^{-x}", False),
        ("mC^2+x", "mk^2+x", False),
        ("\\frac{\\pi}{3}+k\\pi", "\\frac{\\pi}{3}+n\\pi, n\\in\\mathbb{Z}", True),
        ("\\frac{\\pi}{3}+k\\pi", "\\frac{\\pi}{3}+2n\\pi", False),
        ("2kx", "2nx", False),
        ("\\sum_{k=1}^n k^2", "\\frac{n(n+1)(2n+1)}{6}", True),
        ("\\sum_{k=1}^n k^2", "\\frac{n(n+1)(2n-1)}{6}", False),
        ("\\prod_{k=1}^n k", "n!", True),
        ("x\\equiv 4 \\pmod{9}", "x\\equiv 13\\pmod 9", True),
        ("x\\equiv 4 \\pmod{9}", "x\\equiv 5\\pmod 9", False),
        ("x\\equiv 4 \\pmod{9}", "4", False),
        ("\\frac{1}{x}, x \\ne 0", "\\frac{1}{x}, x \\ne 1", False),
        ("x<1", "x<1, x>5", False),
        ("5", "2x=10", False),
        ("10", "2x=10", False),
        ("x^2+y^2=4", "4", False),
        ("4:30", "2:15", False),
        ("184{,}756", "184756", True),
        ("184,756", "184756", False),
        ("2024^{4046}", "2024^{4046}", True),
        ("2024^{4046}", "2024^{4045}\\cdot 2024", True),
        ("2024^{4046}", "2024^{4045}", False),
    ],
)
def test_a_kind_and_its_negative_twin(gold: str, answer: str, agree: bool) -> None:
    assert right(gold, boxed(answer)) == agree


@pytest.mark.parametrize("sign", ["\\%", " \\%", "%"])
def test_a_percent_sign_behind_a_box_belongs_to_its_number(sign: str) -> None:
    assert right("0.5", f"So \\boxed{{50}}{sign}.")
    assert right("50", f"So \\boxed{{50}}{sign}.")
    assert not right("0.25", f"So \\boxed{{0.25}}{sign}.")


def test_a_sum_without_end_is_not_judged_at_once() -> None:
    verdict, request = judge_here("\\sum_{n=1}^{\\infty}\\frac{1}{n^2}", boxed("\\frac{\\pi^2}{6}"), Kind.MATH)
    assert verdict.status is Status.UNJUDGED
    assert request is None
