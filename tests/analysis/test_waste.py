"""What is counted as spent, and on which reason; every token at most once."""

from __future__ import annotations

import pytest

from tersely.analysis.waste import WORST, Waste, find_waste, month_cost
from tersely.records import EvalRecord, Finish, Status

CHECKED = "So it is 7. " + "Let me check. " * 3
CIRCLE = "and then again " * 40


def record(problem: str, text: str, status: Status = Status.CORRECT, **changes: object) -> EvalRecord:
    given = {"sample": 0, "tokens": 100, "finish": Finish.EOS, "difficulty": None, "answer": "7", **changes}
    correct = status is Status.CORRECT
    return EvalRecord(
        problem_id=problem, question=problem, status=status, correct=correct, extracted="7", text=text, **given
    )  # type: ignore[arg-type]


def test_a_correct_response_is_charged_what_follows_its_answer() -> None:
    report = find_waste([record("p", CHECKED), record("q", CHECKED)])
    share = 1 - CHECKED.index("7.") / len(CHECKED)
    assert report.overall.together.value == pytest.approx(share, abs=2 / len(CHECKED))
    assert report.overall.shares[Waste.AFTER].value == report.overall.together.value
    assert {spent.why for spent in report.worst} == {Waste.AFTER}


@pytest.mark.parametrize(
    ("text", "status", "finish", "why"),
    [
        (CIRCLE, Status.WRONG, Finish.EOS, Waste.LOOPS),
        (CIRCLE, Status.NO_ANSWER, Finish.LENGTH, Waste.LOOPS),
        ("first, second", Status.NO_ANSWER, Finish.LENGTH, Waste.UNFINISHED),
        ("I cannot say", Status.NO_ANSWER, Finish.EOS, Waste.UNFINISHED),
    ],
)
def test_a_response_that_leads_nowhere_is_charged_whole(text: str, status: Status, finish: Finish, why: Waste) -> None:
    report = find_waste([record("p", text, status, finish=finish), record("q", "it is 7")])
    assert [(spent.why, spent.tokens) for spent in report.worst] == [(why, 100.0)]
    assert report.overall.shares[why].value == pytest.approx(0.5)
    assert sum(share.value for share in report.overall.shares.values()) == pytest.approx(0.5)


def test_an_ordinary_wrong_response_is_no_waste() -> None:
    report = find_waste([record("p", "it is 8", Status.WRONG), record("q", "so 9", Status.WRONG)])
    assert report.overall.together.value == 0
    assert report.worst == ()
    assert report.stated_by_chance is None


def test_difficulties_and_the_worst_first() -> None:
    made = [
        record(f"p{i}", CHECKED, tokens=100 + i, difficulty="hard" if i % 2 else "easy", sample=0) for i in range(30)
    ]
    report = find_waste(made)
    assert list(report.by_difficulty) == ["easy", "hard"]
    assert report.by_difficulty["hard"].responses == 15
    assert len(report.worst) == WORST
    assert [spent.record.tokens for spent in report.worst] == list(range(129, 119, -1))
    low, high = report.overall.together.low, report.overall.together.high
    assert low is None or low <= report.overall.together.value <= (high or 0)


def test_a_month_costs_tokens_times_responses_times_price() -> None:
    assert month_cost(tokens=1000, price=2.0, per_day=10_000) == pytest.approx(600.0)
