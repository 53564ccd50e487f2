"""Answers in words and in other notations: the same thing said otherwise is right, another thing is wrong."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tersely.records import Kind, Status
from tersely.verify.judge import judge_here

small = st.integers(2, 99)
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh"]
ORDINALS += ["twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"]
MONTHS = ["January", "February", "March", "May", "June", "September", "December"]


def right(gold: str, answer: str, kind: str = Kind.MATH) -> bool:
    return judge_here(gold, f"Thus $\\boxed{{{answer}}}$.", kind)[0].status is Status.CORRECT


def says(gold: str, response: str, kind: str = Kind.MATH) -> Status:
    return judge_here(gold, response, kind)[0].status


SPELLINGS = {
    "m/s^2": ["\\mathrm{m\\,s^{-2}}", "\\text{ m}\\cdot\\text{s}^{-2}", "\\,m s^{-2}", "\\text{ m/s}^2", "\\,m/s^2"],
    "kg/m^3": ["\\mathrm{kg\\,m^{-3}}", "\\text{ kg m}^{-3}", "\\text{ kg}/\\text{m}^3", "\\text{ kilograms/m}^3"],
    "kcal/(m^2 yr)": ["\\text{ kcal}\\,m^{-2}yr^{-1}", "\\text{ kcal}/(\\text{m}^2 \\text{ yr})"],
    "Å": ["\\ \\AA", "\\ \\text{\\AA}", "\\text{ Å}", "\\ \\text{angstroms}"],
}


@pytest.mark.parametrize("spellings", SPELLINGS.values(), ids=SPELLINGS)
@given(small, small, st.data())
def test_one_unit_in_any_spelling(spellings: list[str], value: int, other: int, data: st.DataObject) -> None:
    assume(value != other)
    one, same = data.draw(st.permutations(spellings))[:2]
    foreign = data.draw(st.sampled_from([s for name in SPELLINGS.values() if name is not spellings for s in name]))
    one = one if "\\text" in one or "AA" in one else spellings[0]  # bare letters are a unit only beside one
    assert right(f"{value}{one}", f"{value}{same}")
    assert not right(f"{value}{one}", f"{other}{same}")
    assert not right(f"{value}{one}", f"{value}{foreign}")


@given(st.sampled_from(range(1, 20)), st.sampled_from(range(1, 20)))
def test_a_place_in_words_is_its_number_and_no_fraction(place: int, other: int) -> None:
    assume(place != other)
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place, "th")
    word = ORDINALS[place - 1]
    assert right(f"{place}{ending}", f"\\text{{the {word}}}")
    assert not right(f"{place}{ending}", f"\\text{{{ORDINALS[other - 1]}}}")
    assert not right(str(place), f"\\text{{a {word}}}")
    assert place in (1, 2) or not right(str(other), f"{other}\\text{{ {word}s}}")


@given(st.integers(1, 28), st.sampled_from(MONTHS), st.integers(1, 28), st.sampled_from(MONTHS))
def test_a_date_in_either_order(day: int, month: str, other: int, later: str) -> None:
    assume(day != other)
    assume(month != later)
    for answer in (f"\\text{{{day} {month}}}", f"{month[:3]} {day}", f"\\text{{{month} {day}th}}"):
        assert right(f"{month} {day}", answer)
        assert not right(f"{later} {day}", answer)
        assert not right(f"{month} {other}", answer)
    assert right(str(day), f"\\text{{{day} {month}}}")
    assert not right(f"{month} {day}", str(day))


@given(st.integers(1, 40), st.integers(1, 99), st.integers(1, 99))
def test_dollars_and_cents_are_one_amount(dollars: int, cents: int, others: int) -> None:
    assume(cents != others)
    gold = f"\\${dollars}.{cents:02}"
    assert right(gold, f"\\text{{{dollars} dollars and {cents} cents}}")
    assert right(gold, f"{dollars}\\text{{ dollars and }}{cents}\\text{{ cents}}")
    assert not right(gold, f"\\text{{{dollars} dollars and {others} cents}}")


@pytest.mark.parametrize(
    ("gold", "answer", "agree"),
    [
        ("\\$2.50", "\\text{two dollars and fifty cents}", True),
        ("\\$2.50", "\\text{two dollars and fifteen cents}", False),
        ("5 cm", "5cm", True),
        ("5", "5cm", True),
        ("60 km/h", "60km/h", True),
        ("5 cm", "5km", False),
        ("5 cm^2", "5cm^3", False),
        ("5", "5ck", False),
        ("3", "\\text{three apples}", True),
        ("3", "\\text{three sevenths}", False),
        ("3", "\\text{three or four}", False),
        ("5000", "\\text{five thousand}", True),
        ("0", "\\text{zero}", True),
        ("21st", "\\text{twenty-first}", True),
        ("No", "\\text{No, such integers do not exist}", True),
        ("Yes", "\\text{No, such integers do not exist}", False),
        ("No", "\\text{No, but yes if n is even}", False),
        ("yes, no", "\\text{yes, no}", True),
        ("\\frac{x+1}{x-2}", "\\frac{x+1}{x-2}, \\quad x \\neq 1, 2", True),
        ("\\frac{x+1}{x-2}", "\\frac{x+1}{x-3}, \\quad x \\neq 1, 2", False),
        ("\\frac{\\pi}{4}", "\\int_0^1 \\frac{dx}{1+x^2} = \\frac{\\pi}{4}", True),
        ("\\frac{\\pi}{4}", "\\int_0^1 \\frac{dx}{1+x^2} = \\frac{\\pi}{3}", False),
        ("\\frac{\\pi}{4}", "\\int_0^1 \\frac{dx}{1+x^2}", False),
        ("\\frac{\\pi^2}{6}", "\\sum_{n=1}^\\infty \\frac{1}{n^2} = \\frac{\\pi^2}{6}", True),
    ],
)
def test_words_and_their_twins(gold: str, answer: str, agree: bool) -> None:
    assert right(gold, answer) is agree


@given(st.lists(small, min_size=2, max_size=4, unique=True), st.integers(0, 1))
def test_a_wide_space_separates_numbers_of_a_list_only(values: list[int], wide: int) -> None:
    spaced = (" \\quad ", "\\qquad ")[wide].join(map(str, values))
    assert right(", ".join(map(str, values)), spaced)
    assert not right(", ".join(map(str, [*values[:-1], values[-1] + 1])), spaced)
    assert not right("".join(map(str, values)), spaced)


@given(st.integers(2, 60), st.integers(0, 59), st.integers(-2, 2), st.integers(1, 59))
def test_a_residue_class_is_a_family_of_numbers(modulus: int, residue: int, turn: int, off: int) -> None:
    assume(residue < modulus)
    assume(off % modulus)
    gold = f"x \\equiv {residue} \\pmod{{{modulus}}}"
    first = residue + turn * modulus
    assert right(gold, f"x = {modulus}k + {first}, k \\in \\mathbb{{Z}}".replace("+ -", "- "))
    assert not right(gold, f"x = {modulus}k + {residue + off}, k \\in \\mathbb{{Z}}")
    assert not right(gold, f"x = {2 * modulus}k + {residue}, k \\in \\mathbb{{Z}}")


@given(st.sampled_from(["x^2", "\\sin^2 x", "\\ln|x|", "e^{2x}"]), st.integers(-9, 9), st.integers(1, 9))
def test_a_family_with_a_constant_takes_up_any_number(function: str, number: int, slope: int) -> None:
    gold = f"{function} + C"
    assert right(gold, f"{function} + C + {number}".replace("+ -", "- "))
    assert not right(gold, f"{function} + {slope}x + C")
    assert not right(gold, f"{function} + {slope}")


def test_a_family_with_a_constant_knows_identities_and_domains() -> None:
    assert right("\\sin^2 x + C", "-\\cos^2 x + C")
    assert not right("\\sin^2 x + C", "\\cos^2 x + C")
    assert right("\\ln x + C", "\\ln(2x) + C")
    assert not right("\\ln x + C", "\\ln(-x) + C")


@given(small, small, small)
def test_numbered_parts_with_a_box_each_are_one_answer(first: int, second: int, third: int) -> None:
    assume(len({first, second, third}) == 3)
    parts = f"(1) The first root is $\\boxed{{{first}}}$.\n\n(2) The second root is $\\boxed{{{second}}}$."
    assert says(f"{first}, {second}", parts) is Status.CORRECT
    assert says(f"{first}, {third}", parts) is not Status.CORRECT
    assert says(str(second), parts) is not Status.CORRECT


@given(small, small)
def test_only_the_final_channel_is_graded(value: int, other: int) -> None:
    assume(value != other)
    thought = f"<|channel|>analysis<|message|>Perhaps \\boxed{{{other}}}"
    final = f"<|end|><|start|>assistant<|channel|>final<|message|>It is \\boxed{{{value}}}.<|return|>"
    assert says(str(value), thought + final) is Status.CORRECT
    assert says(str(other), thought + final) is Status.WRONG
    assert says(str(other), thought) is Status.NO_ANSWER


CHOICES = [
    ("A", "**Final Answer:** (A) 12 m/s. Choice (C) would result from forgetting the factor of 2.", Status.CORRECT),
    ("A", "Final Answer: (A) 12 m/s. Hmm, actually (C) 13 m/s.", Status.NO_ANSWER),
    ("A", "Final Answer: (A) 12 m/s. No, (C) 24.", Status.NO_ANSWER),
    ("C", "So it's option c.", Status.CORRECT),
    ("C", "It is not option c.", Status.NO_ANSWER),
    ("A, C", "\\boxed{\\text{A and C}}", Status.CORRECT),
    ("A, C", "\\boxed{\\text{A or C}}", Status.WRONG),
    ("AC", "\\boxed{A, C}", Status.CORRECT),
    ("AC", "\\boxed{AD}", Status.WRONG),
    ("A, C", "\\boxed{A, B, C}", Status.WRONG),
    ("A", "\\boxed{A and C}", Status.NO_ANSWER),
]


@pytest.mark.parametrize(("gold", "response", "wanted"), CHOICES)
def test_a_choice_with_reasons_and_several_choices(gold: str, response: str, wanted: Status) -> None:
    assert says(gold, response, Kind.CHOICE) is wanted


@pytest.mark.parametrize(("place", "word"), [("30th", "thirtieth"), ("121st", "one hundred twenty-first")])
def test_a_longer_place_in_words(place: str, word: str) -> None:
    assert right(place, f"\\text{{{word}}}")
    assert not right(place, f"\\text{{{word.replace('th', 'd').replace('one', 'two')}}}")
