"""The policy `published`, and what reports count of the judge: kept with every result that used it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval_records import record
from tersely.analysis.paired import compare_paired
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.evaluation.run import evaluate
from tersely.evaluation.table import print_table
from tersely.records import Problem, Status
from tersely.samplers.base import Prompt, Sampling
from tersely.verify.extract import CUT, TAIL
from tersely.verify.published import PublishedJudge
from tersely.verify.summary import PolicyCount, Remarks, counts
from tiny_models import make_model_folder
from training import QUIET

SAID = {
    "stated": "\\boxed{56088}",
    "prose": "So Ann has 56088 nickels.",
    "restated": "\\boxed{123 \\cdot 456}",
    "wrong": "\\boxed{5}",
    "long": "x" * (TAIL + 5) + "\\boxed{56088}",
}
OWN = [Status.CORRECT, Status.NO_ANSWER, Status.WRONG, Status.WRONG, Status.CORRECT]
"""Of our own rule; by the policy the second is CORRECT."""


def problem(name: str) -> Problem:
    return Problem(name, f"{name}?", "56088", "math", "test")


def test_the_policy_keeps_what_our_own_rule_says() -> None:
    with PublishedJudge(1) as judge:
        found = judge.grade([(problem(name), text) for name, text in SAID.items()])
    assert [verdict.own_status for verdict in found] == OWN
    assert [verdict.status for verdict in found] == [Status.CORRECT, Status.CORRECT, *OWN[2:]]
    assert found[1].reason == "published: agrees (own rule: NO_ANSWER, no final answer stated)"


def test_restated_answers_are_counted_whatever_the_policy() -> None:
    with PublishedJudge(1) as judge:
        (verdict,) = judge.grade([(problem("restated"), SAID["restated"])])
    assert "own rule: WRONG, refused: the value is not worked out" in verdict.reason


def test_counts_of_an_evaluation() -> None:
    records = [
        record("a", 0, remark="refused: the value is not worked out"),
        record("b", 0, remark=f"equal numbers; {CUT}", own_status=Status.WRONG),
        record("c", 0, own_status=Status.CORRECT),
    ]
    assert Remarks.of(records) == Remarks(restated=1, cut=1)
    assert PolicyCount.of("published", records) == PolicyCount("published", 2, 1)
    assert counts(records, "published") == {
        "judged": {"restated": 1, "cut": 1},
        "policy": {"name": "published", "responses": 2, "agreed": 1},
    }
    assert counts([record("a", 0)], None) == {}


def test_a_record_says_no_more_than_before_where_there_is_nothing_to_say() -> None:
    assert not {"remark", "own_status"} & set(record("a", 0).to_json())
    kept = record("a", 0, own_status=Status.WRONG, remark="r")
    assert type(kept).from_json(json.loads(json.dumps(kept.to_json()))) == kept


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("policy") / "model")


class Says:
    """A sampler that answers each problem with its text."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def generate(self, prompts: list[Prompt], sampling: Sampling, on_progress: object, on_done: object) -> list[object]:
        from tersely.records import Finish, Rollout

        return [Rollout(p.problem_id, 0, (1,), (2, 3), None, self.texts[p.problem_id], Finish.EOS, 0) for p in prompts]

    def close(self) -> None: ...


def measured(model: Path, out: Path, policy: str | None) -> Evaluation:
    rows = [{"problem": f"{name}?", "answer": "56088"} for name in SAID]
    from tersely.tasks import load_task

    ids = dict(zip([p.id for p in load_task(rows, "held_out")], SAID.values(), strict=True))
    protocol = EvalProtocol(task="given", size=None, k=1, max_new_tokens=8)
    path = evaluate(model, protocol, out, QUIET, command="t", problems=rows, sampler=Says(ids), policy=policy)
    return read_evaluation(path)


def test_an_evaluation_under_the_policy_says_so_everywhere(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = measured(model, tmp_path / "own", None), measured(model, tmp_path / "other", "published")
    assert [r.status for r in own.responses()] == OWN
    assert own.policy is None
    assert [r.own_status for r in other.responses()] == OWN
    assert other.protocol.policy == "published"
    assert other.policy == PolicyCount("published", 5, 4)
    assert own.remarks == other.remarks == Remarks(restated=1, cut=1)
    print_table([("tiny", other.path)])
    said = " ".join(capsys.readouterr().out.split())
    assert "the policy published counts, not our own rule, which agrees on 4 of 5 responses (80.0%)" in said
    assert "1 of 5 answers equal the gold answer but only restate it" in said
    assert "1 of 5 responses were longer than is read" in said
    with pytest.raises(UserError, match="policy"):
        compare_paired(own.responses(), other.responses(), own.protocol, other.protocol)
    with pytest.raises(UserError, match="another configuration: policy"):
        measured(model, tmp_path / "own", "published")


def test_a_policy_of_another_name_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="policy 'paper' is unknown"):
        measured(model, tmp_path, "paper")


def test_the_page_bears_the_mark_of_the_policy(model: Path, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from tersely.page.message import judge_warnings
    from tersely.page.records import Role

    found = measured(model, tmp_path, "published")
    entry = SimpleNamespace(label="tiny", role=Role.BASE, results=[SimpleNamespace(evaluation=found)])
    told = judge_warnings(SimpleNamespace(entries=[entry, entry]))  # type: ignore[arg-type]
    assert told == [f"tiny: {said}." for said in found.sentences()]
    assert "policy published" in told[0]


def test_a_policy_beside_a_verifier_is_refused() -> None:
    from tersely.rollouts import judge_for

    with pytest.raises(UserError, match="a rule of our own judge"), judge_for(None, 1, "my:check", "published"):
        pass
