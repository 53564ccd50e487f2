"""The kind of Countdown's answers: worked out exactly, `none` proved, read as people write, never hung."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.records import Kind, Status
from tersely.tasks.load import load_task
from tersely.verify import KINDS, Judge, extract
from tersely.verify.guard import MAX_LENGTH
from tersely.verify.kinds.countdown import decide, reachable, read_goal

GOAL = "55 from 4 7 5 by + - *"
RIGHT = [
    "4 + 7 = 11 , 5 * 11 = 55",
    "4+7=11; 11*5=55",
    "4 + 7 = 11, then 5 * 11",
    "4 + 7 = 11 and 11 * 5 = 55.",
    "4 + 7 = 11\n11 * 5 = 55",
    r"4 + 7 = 11 \implies 11 * 5 = 55",
    "4 + 7 = 11 → 11 * 5 = 55",
    "4 + 7 = 11 => 11 * 5 = 55",
    "(4 + 7) * 5",
    "5(4 + 7)",
    "(4 + 7)(5)",
    "5 × (7 + 4)",
    "(4+7)·5 = 55",
    "55 = (4+7)*5",
    "(4 + 7) * 5 = 11 * 5 = 55",
    "(4+7)x5",
    r"(4+7)\times 5",
    r"$\left(4+7\right)\cdot 5 = 55$",
    r"5 \times (4+7)",
    "((((4)+(7))))*(5)",
]
WRONG = [
    ("none", "there is a solution"),
    ("no solution", "there is a solution"),
    ("4 + 7 = 11", "numbers are left"),
    ("4 + 7 * 5", "reaches 39"),
    ("4 + 7 = 12 , 5 * 11 = 55", "an equation that does not hold"),
    ("(4 + 7) * 5 = 56", "an equation that does not hold"),
    ("5 * 5 + 4 + 7 + 19", "5 is not there to be used"),
    ("4 + 7 = 11 , 4 + 7 = 11 , 5 * 11 = 55", "4 is not there to be used"),
    ("5 * 11", "11 is not there to be used"),
    ("55", "no step"),
    ("60 - 5", "60 is not there to be used"),
    ("5 * (4 + 7) / 1", "/ is not to be used"),
    ("7 * 5 * 4", "35 * 4 is no whole number of at most 99"),
    ("9" * (MAX_LENGTH + 1), "refused: longer than any final answer"),
]
UNREAD = [
    "", "?", "(4 + 7", "4 + 7) * 5", "4 7 5", "+", "* 4", "4 ** 7", "4 ^ 7", "(" * 40 + "4+7" + ")" * 40,
    "55555 * 4", "x = 4", "I think 55", r"\sqrt{4}", r"\frac{4}", "4 + , 7", "{4 + 7} * 5 +", "four plus seven",
]  # fmt: skip


@pytest.mark.parametrize("answer", RIGHT)
def test_what_a_person_would_accept_is_right(answer: str) -> None:
    assert decide(GOAL, answer)[0] is Status.CORRECT
    with Judge(workers=1) as judge:
        assert judge.judge([(GOAL, rf"So \boxed{{{answer}}}", Kind.COUNTDOWN)])[0].status is Status.CORRECT


@pytest.mark.parametrize(("answer", "reason"), WRONG)
def test_what_is_wrong_is_told_why(answer: str, reason: str) -> None:
    assert decide(GOAL, answer) == (Status.WRONG, reason)


@pytest.mark.parametrize("answer", UNREAD)
def test_what_cannot_be_read_is_no_answer(answer: str) -> None:
    assert decide(GOAL, answer)[0] is Status.NO_ANSWER


NOTHING = ["none", "None.", r"\text{none}", "no solution", "Impossible", "there is no solution", "No solution exists",
           "no valid solution", "It is impossible."]  # fmt: skip


@pytest.mark.parametrize("answer", NOTHING)
def test_none_is_right_only_where_everything_fails(answer: str) -> None:
    assert decide("97 from 4 7 5 by + - *", answer) == (Status.CORRECT, "there is no solution")
    assert decide(GOAL, answer)[0] is Status.WRONG


def test_division_leaves_nothing_and_never_is_by_zero() -> None:
    goal = "2 from 8 4 6 by + - * /"
    assert decide(goal, r"\frac{8 + 4}{6}")[0] is Status.CORRECT
    assert decide(goal, r"(8 + 4) \div 6 = 2")[0] is Status.CORRECT
    assert decide("3 from 6 4 4 by + - * /", "6 / (4 - 4)")[0] is Status.WRONG
    # 9 / 2 * 4 is 18 to a calculator, and no step of this game.
    assert decide("18 from 9 2 4 by + - * /", "9 / 2 * 4") == (
        Status.WRONG, "9 / 2 is no whole number of at most 99",
    )  # fmt: skip
    assert decide("18 from 9 2 4 by + - * /", "9 * (4 / 2)")[0] is Status.CORRECT


@pytest.mark.parametrize(
    ("goal", "way"),
    [
        ("4 from 1 2 3 by -", "3 - (1 - 2)"),
        ("0 from 3 3 5 by - /", "(3 - 3) / 5"),
        ("8 from 1 2 3 4 by -", "4 - (1 - 2 - 3)"),
    ],
)
def test_where_only_a_negative_number_or_a_nought_leads_there_none_is_wrong(goal: str, way: str) -> None:
    assert decide(goal, "none") == (Status.WRONG, "there is a solution")


def test_a_negative_number_on_the_way_is_allowed() -> None:
    assert decide("6 from 4 8 10 by + -", "4 - 8 = -4 , -4 + 10 = 6")[0] is Status.CORRECT
    assert decide("6 from 4 8 10 by + -", "(4 - 8) + 10")[0] is Status.CORRECT


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*3 * [st.integers(0, 12)]), st.sets(st.sampled_from("+-*/"), min_size=1).map(sorted), st.integers(0, 99)
)
def test_some_expression_is_right_exactly_where_none_is_wrong(
    numbers: tuple[int, ...], operators: list[str], target: int
) -> None:
    """Every expression of three numbers, negative results on the way included, against the proof of `none`."""
    goal = f"{target} from {' '.join(map(str, numbers))} by {' '.join(operators)}"
    written = [
        form.format(*order, *ops)
        for order in permutations(numbers)
        for ops in product(operators, repeat=2)
        for form in ("({0} {3} {1}) {4} {2}", "{0} {3} ({1} {4} {2})")
    ]
    found = any(decide(goal, text)[0] is Status.CORRECT for text in written)
    assert decide(goal, "none")[0] is (Status.WRONG if found else Status.CORRECT)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789+-*/=,(){}fx. \\nonefracbxd", max_size=80))
def test_no_text_raises_or_stays_unjudged(text: str) -> None:
    assert decide(GOAL, text)[0] in (Status.CORRECT, Status.WRONG, Status.NO_ANSWER)


@pytest.mark.parametrize(
    "gold",
    ["55", "none", "5 from by +", "5 from 4 by +", "5 from 4 8 by ^", "5 from 4 8 by + +", "500 from 4 8 by +",
     "5 from 1 2 3 4 5 by +", "-5 from 4 8 by -"],
)  # fmt: skip
def test_a_gold_that_names_no_goal_is_refused(gold: str) -> None:
    assert read_goal(gold) is None
    assert KINDS[Kind.COUNTDOWN].check_gold(gold)[0] is False
    assert decide(gold, "none")[0] is Status.UNJUDGED
    with Judge(workers=1) as judge, pytest.raises(UserError, match="is no goal such as '5 from 4 8 10 by"):
        load_task([{"problem": "?", "answer": gold, "kind": "countdown"}], "train", check_golds=judge.check_golds)


def test_four_numbers_are_tried_too() -> None:
    assert 24 in reachable((4, 5, 6, 7), ("+", "-", "*", "/"))
    assert decide("24 from 4 5 6 7 by + - * /", "4 * (5 + 7 - 6)")[0] is Status.CORRECT


def test_the_answer_is_found_in_the_reasoner_s_own_form() -> None:
    assert extract(r" so </think> \boxed{ 4 + 7 = 11 , 5 * 11 = 55 }").answer == "4 + 7 = 11 , 5 * 11 = 55"
    assert extract(r" so </think> \boxed{ none }").answer == "none"
