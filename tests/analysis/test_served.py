"""What answers of a server take, and which ways of asking are dominated, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eval_records import record
from tersely.analysis.served import QUANTITIES, Price, beaten, mean_of
from tersely.records import Estimate
from tersely.served import Served

RECORDS = [
    record(f"p{i}", k, tokens=10 * (i + 1), served=Served(seconds=2.0 + k, first_token_s=0.5, prompt_tokens=100))
    for i in range(30)
    for k in range(2)
]


def test_means_a_response_with_intervals_by_problem() -> None:
    seconds = mean_of(RECORDS, QUANTITIES["seconds"])
    assert seconds is not None
    assert (seconds.value, seconds.n) == (2.5, 30)
    tokens = mean_of(RECORDS, QUANTITIES["tokens"])
    assert tokens is not None
    assert tokens.low is not None
    assert tokens.high is not None
    assert tokens.value == 155.0
    assert tokens.low < 155.0 < tokens.high


def test_a_price_is_of_prompt_and_response_for_a_thousand_answers() -> None:
    # 1000 x (100 x 0.5 + 155 x 2) / a million
    money = mean_of(RECORDS, Price(0.5, 2.0).of)
    assert money is not None
    assert money.value == pytest.approx(0.36)


def test_what_is_not_known_of_every_response_has_no_mean() -> None:
    whole = replace(RECORDS[0], served=Served(seconds=2.0))
    assert mean_of([whole, *RECORDS[1:]], QUANTITIES["first token, s"]) is None
    assert mean_of([whole, *RECORDS[1:]], Price(1.0, 1.0).of) is None
    assert mean_of([replace(RECORDS[0], served=None)], QUANTITIES["seconds"]) is None


def narrow(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01, 30, "")


def wide(value: float) -> Estimate:
    return Estimate(value, value - 9, value + 9, 30, "")


def test_the_dominated_are_named_beyond_intervals_and_by_value() -> None:
    points = [
        ("low", narrow(0.5), narrow(1.0)),
        ("high", narrow(0.9), narrow(3.0)),
        ("silly", narrow(0.4), narrow(2.0)),
    ]
    assert beaten("seconds", points) == "dominated in seconds, beyond the intervals: silly (by low)"
    loose = [(name, wide(right.value), spent) for name, right, spent in points]
    assert beaten("seconds", loose) == (
        "dominated in seconds, beyond the intervals: none; by value alone: silly (by low)"
    )
    assert beaten("money", [*points[:1], ("dear", narrow(0.5), None)]) == "dominated in money: not known"
