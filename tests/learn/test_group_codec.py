"""What travels between processes, and into an evaluation's lines, loses nothing: where a length comes from included."""

from __future__ import annotations

import json
from dataclasses import replace

from tersely.evaluation.judged import eval_records
from tersely.evaluation.thinking import ThinkingCounter
from tersely.learn.group_codec import decode, encode
from tersely.records import EvalRecord, Finish, Group, Kind, LengthSource, Problem, Rollout, Status, Verdict
from tiny_models import make_tokenizer

PROBLEM = Problem("p", "q", "1", Kind.MATH, "toy")
SAMPLED = Rollout("p", 0, (1, 2), (5, 6, 7), (-0.1, -1 / 3, -1e-9), "a", Finish.EOS, 3)
COUNTED = Rollout("p", 1, (1, 2), (), None, "b", Finish.EOS, 3, LengthSource.USAGE, 40)
GROUP = Group(
    PROBLEM,
    (SAMPLED, COUNTED, replace(COUNTED, index=2, length_source=LengthSource.RETOKENISED)),
    (
        Verdict(Status.CORRECT, "1", "equal"),
        Verdict(Status.WRONG, None, "half", score=0.5),
        Verdict(Status.WRONG, "2", ""),
    ),
)


def test_a_group_comes_back_as_it_was() -> None:
    assert decode(PROBLEM, (1, 2), json.loads(json.dumps(encode(GROUP)))) == GROUP
    assert "length_source" not in encode(GROUP)[0]


def test_an_evaluated_response_says_where_its_length_comes_from() -> None:
    records = eval_records(GROUP, ThinkingCounter(make_tokenizer()))
    assert [(r.tokens, r.length_source) for r in records] == [
        (3, LengthSource.SAMPLED),
        (40, LengthSource.USAGE),
        (40, LengthSource.RETOKENISED),
    ]
    assert [EvalRecord.from_json(json.loads(json.dumps(r.to_json()))) for r in records] == records
