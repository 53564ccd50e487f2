"""What ``summarise`` and ``compare_paired`` count, leave out and refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_records import record
from tersely.analysis import UNLABELLED, ProtocolFacts, Summary, compare_paired, difficulty_order, summarise
from tersely.errors import UserError
from tersely.records import Finish, Status

MIXED = [
    record("a", 0, tokens=10, text="Wait, check"),
    record("a", 1, Status.WRONG, tokens=30),
    record("b", 0, tokens=20, difficulty="2"),
    record("b", 1, Status.UNJUDGED, tokens=40, difficulty="2"),
    record("c", 0, Status.NO_ANSWER, tokens=50, finish=Finish.LENGTH, difficulty="10"),
    record("c", 1, Status.CORRECT, tokens=50, finish=Finish.LENGTH, difficulty="10"),
]


def test_unjudged_responses_leave_accuracy_alone_and_are_counted() -> None:
    block = summarise(MIXED, ProtocolFacts()).overall
    assert block.unjudged_responses == 1
    assert block.unjudged.value == pytest.approx(1 / 6)
    # Problems: a 1/2, b 1/1 (one judged), c 0/2 (truncated is never correct): mean 0.5.
    assert block.accuracy.value == pytest.approx(0.5)
    assert block.accuracy.n == 3


def test_rates_and_tokens_match_the_arithmetic_by_hand() -> None:
    block = summarise(MIXED, ProtocolFacts()).overall
    assert block.tokens.value == pytest.approx((20 + 30 + 50) / 3)
    assert block.truncated.value == pytest.approx(1 / 3)
    assert block.no_answer.value == pytest.approx(1 / 6)
    assert block.tokens_correct.value == pytest.approx((10 + 20) / 2)
    # c: one without an answer and one correct but truncated, both judged and not correct.
    assert block.tokens_wrong.value == pytest.approx((30 + 50) / 2)
    assert block.behaviours["verification"].value == pytest.approx(1 / 6)
    assert list(block.pass_at_k) == [1, 2]
    assert (block.pass_at_k[2].value, block.pass_at_k[2].n) == (0.5, 2)


def test_difficulties_stand_in_natural_order_with_the_unlabelled_last() -> None:
    summary = summarise([*MIXED, record("d", 0, difficulty=None), record("d", 1, difficulty=None)], ProtocolFacts())
    assert list(summary.by_difficulty) == ["1", "2", "10", UNLABELLED]
    labels = ["level 10", "hard", "level 2", "3", UNLABELLED, "level 2b"]
    assert sorted(["4.5", "10", "4.25", "4"], key=difficulty_order) == ["4", "4.25", "4.5", "10"]
    assert sorted(labels, key=difficulty_order) == ["3", "hard", "level 2", "level 2b", "level 10", UNLABELLED]


def test_a_quantity_nobody_can_tell_is_none_and_all_is_json() -> None:
    summary = summarise([record("a", 0), record("b", 0)], ProtocolFacts.from_json({"k": 1, "task": "toy"}))
    assert summary.overall.tokens_wrong is None
    assert summary.protocol.to_json() == {"k": 1, "task": "toy"}
    assert summary.k == 1
    assert Summary.from_json(json.loads(json.dumps(summary.to_json(), allow_nan=False))) == summary
    unjudged = summarise([record("a", 0, Status.UNJUDGED)], ProtocolFacts()).overall
    assert unjudged.accuracy is None
    assert unjudged.pass_at_k == {}


def test_nothing_doubled_or_contradictory_is_summarised() -> None:
    with pytest.raises(UserError, match="not a single response"):
        summarise([], ProtocolFacts())
    with pytest.raises(UserError, match="sample 0 twice"):
        summarise([record("a", 0), record("a", 0)], ProtocolFacts())
    with pytest.raises(UserError, match="two difficulties"):
        summarise([record("a", 0), record("a", 1, difficulty="2")], ProtocolFacts())


def test_compare_measures_gain_and_saving_on_the_same_problems() -> None:
    base = [record("a", 0, Status.WRONG, 40), record("b", 0, tokens=60), record("c", 0, tokens=100, difficulty="2")]
    model = [record("a", 0, tokens=10), record("b", 0, tokens=30), record("c", 0, tokens=60, difficulty="2")]
    found = compare_paired(base, model, ProtocolFacts(k=1, model="base"), ProtocolFacts(k=1, model="other"))
    assert found.overall.accuracy_difference.value == pytest.approx(1 / 3)
    assert found.overall.token_saving.value == pytest.approx(0.5)
    assert found.overall.token_ratio.value == pytest.approx(0.5)
    assert found.overall.token_difference.value == pytest.approx(-100 / 3)
    assert found.by_difficulty["1"].token_saving.value == pytest.approx(0.6)
    assert found.by_difficulty["2"].token_saving.low is None
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()


def test_a_problem_unjudged_on_one_side_is_left_out_of_the_accuracy_difference_only() -> None:
    base = [record("a", 0), record("b", 0), record("c", 0, Status.WRONG)]
    model = [record("a", 0, Status.UNJUDGED), record("b", 0), record("c", 0)]
    found = compare_paired(base, model).overall
    assert found.accuracy_difference.n == 2
    assert found.accuracy_difference.value == pytest.approx(0.5)
    assert found.token_ratio.n == 3
    unjudged = [replace(r, status=Status.UNJUDGED, correct=False) for r in base]
    assert compare_paired(base, unjudged).overall.accuracy_difference is None


@pytest.mark.parametrize(
    ("model", "protocols", "message"),
    [
        ([record("a", 0)], ({}, {}), "on one side only"),
        ([record("a", 0), record("b", 0), record("b", 1)], ({}, {}), "same k"),
        ([record("a", 0), record("b", 0, difficulty="2")], ({}, {}), "another difficulty"),
        ([record("a", 0), record("b", 0)], ({"temperature": 1.0}, {"temperature": 0.6}), "temperature 1.0 and 0.6"),
        ([record("a", 0), record("b", 0)], ({"k": 1}, {}), "k 1 and None"),
    ],
)
def test_what_cannot_be_compared_is_refused(model: Any, protocols: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare_paired([record("a", 0), record("b", 0)], model, *map(ProtocolFacts.from_json, protocols))


STATUSES = st.sampled_from(list(Status))
ROWS = st.lists(st.tuples(STATUSES, st.integers(1, 500), st.sampled_from(list(Finish))), min_size=1, max_size=24)


@given(ROWS)
def test_any_evaluation_compared_with_itself_shows_no_difference(rows: Any) -> None:
    records = [
        record(str(i // 3), i % 3, status, tokens, finish=finish, difficulty=str(i // 3 % 2))
        for i, (status, tokens, finish) in enumerate(rows)
    ]
    summary = summarise(records, ProtocolFacts())
    assert Summary.from_json(json.loads(json.dumps(summary.to_json(), allow_nan=False))) == summary
    assert sum(block.responses for block in summary.by_difficulty.values()) == len(records)
    found = compare_paired(records, records).overall
    assert found.token_saving.value == pytest.approx(0.0)
    if found.accuracy_difference is not None:
        assert found.accuracy_difference.value == 0.0
