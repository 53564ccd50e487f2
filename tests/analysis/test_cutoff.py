"""A cutoff computed from kept responses: golden cases by hand, and the orders that must hold for every limit."""

from __future__ import annotations

import pytest

from eval_records import record
from tersely.analysis import ProtocolFacts, cut, summarise
from tersely.errors import UserError
from tersely.records import Finish, Status

KEPT = [
    record("a", 0, Status.CORRECT, 10),
    record("a", 1, Status.CORRECT, 40),
    record("b", 0, Status.WRONG, 25),
    record("b", 1, Status.CORRECT, 20),
    record("c", 0, Status.UNJUDGED, 30),
    record("c", 1, Status.CORRECT, 50, finish=Finish.LENGTH),
]


def test_golden_cut_at_20() -> None:
    # By hand: 10 and 20 tokens end in time (the 20th token may be the end itself); the other four are stopped at 20.
    found = cut(KEPT, 20)
    assert [r.tokens for r in found] == [10, 20, 20, 20, 20, 20]
    assert [r.correct for r in found] == [True, False, False, True, False, False]
    assert [r.finish for r in found] == [Finish.EOS, *[Finish.LENGTH] * 2, Finish.EOS, *[Finish.LENGTH] * 2]
    overall = summarise(found, ProtocolFacts()).overall
    # Problems a 1/2, b 1/2, c 0/2 (its UNJUDGED response is unfinished now, which needs no judge).
    assert overall.accuracy.value == pytest.approx(1 / 3)
    assert overall.unjudged_responses == 0
    assert overall.tokens.value == pytest.approx((15 + 20 + 20) / 3)
    assert overall.truncated.value == pytest.approx(4 / 6)


def test_a_cutoff_at_the_cap_changes_nothing() -> None:
    assert cut(KEPT, 50) == KEPT


def test_cutting_twice_is_cutting_at_the_smaller_limit() -> None:
    assert cut(cut(KEPT, 30), 15) == cut(KEPT, 15)


def test_tokens_and_correct_responses_only_grow_with_the_limit() -> None:
    tokens = [sum(r.tokens for r in cut(KEPT, limit)) for limit in range(1, 51)]
    correct = [sum(r.correct for r in cut(KEPT, limit)) for limit in range(1, 51)]
    assert tokens == sorted(tokens)
    assert correct == sorted(correct)


@pytest.mark.parametrize(("limit", "said"), [(51, "stopped at 50 tokens"), (0, "at least 1")])
def test_what_nobody_can_know_is_refused(limit: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        cut(KEPT, limit)


def test_a_thought_that_is_cut_leaves_no_answer_and_never_less_than_none() -> None:
    thought = [record("a", 0, tokens=40, thinking_tokens=35), record("b", 0, tokens=10, thinking_tokens=6)]
    overall = summarise(cut(thought, 20), ProtocolFacts()).overall
    # By hand: (20 + 6) / 2 and (0 + 4) / 2.
    assert overall.tokens_thinking.value == 13.0
    assert overall.tokens_answer.value == 2.0
    assert cut([record("a", 0, tokens=40)], 20)[0].thinking_tokens is None
