"""What was unjudged by no fault of the answer is judged again by the same command, finished or not; nothing else is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import tersely
from graders import InterruptedJudge, ParityJudge, UnsureJudge, is_odd
from tersely.baselines.kept import read_groups, read_samples
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.evaluation.records import Evaluation
from tersely.records import Problem, Status, Verdict
from tersely.runs.logs import read_log
from tiny_models import make_model_folder
from training import QUIET


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("again")
    make_model_folder(folder / "model")
    rows = [{"problem": f"{i} + 1", "answer": str(i + 1)} for i in range(4)]
    (folder / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


class Counting(InterruptedJudge):
    """Counts what it is asked."""

    asked = 0

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        self.asked += len(pairs)
        return super().grade(pairs)


def evaluated(root: Path, out: Path, judge: ParityJudge) -> Evaluation:
    return tersely.evaluate(
        root / "model", task=root / "task.jsonl", out=out, k=2, max_new_tokens=64, judge=judge, display=QUIET
    )


def test_a_finished_evaluation_judges_again_what_was_ended_from_outside(root: Path, tmp_path: Path) -> None:
    judge = Counting()
    lost = evaluated(root, tmp_path, judge).summary.overall.unjudged_responses
    assert lost > 0
    evaluated(root, tmp_path, judge)
    assert judge.asked == 2 * lost  # nobody else was asked again
    judge.interrupted = False
    found = evaluated(root, tmp_path, judge)
    assert judge.asked == 3 * lost
    assert found.summary.overall.unjudged_responses == 0
    assert found.summary.overall.responses == 8
    ended = [r for r in found.responses() if r.finish == "eos"]
    assert [r.correct for r in ended] == [is_odd(r.text) for r in ended]
    places = [(r.problem_id, r.sample) for r in found.responses()]
    assert len(places) == len(set(places)) == 8
    lines = read_log(found.path / "responses.jsonl")
    assert ["outside" in line for line in lines] == [line["status"] == "UNJUDGED" for line in lines]
    evaluated(root, tmp_path, judge)
    assert judge.asked == 3 * lost


def test_what_an_answer_did_to_its_judge_stays_unjudged(root: Path, tmp_path: Path) -> None:
    before = evaluated(root, tmp_path, UnsureJudge(1))
    assert before.summary.overall.unjudged_responses > 0
    lines = (before.path / "responses.jsonl").read_bytes()
    assert b"outside" not in lines
    evaluated(root, tmp_path, UnsureJudge(1))
    assert (before.path / "responses.jsonl").read_bytes() == lines


def test_samples_are_judged_again_before_anything_is_learnt_from_them(root: Path, tmp_path: Path) -> None:
    task, model = str(root / "task.jsonl"), str(root / "model")
    config = resolve_samples({"model": model, "task": task, "sampling": {"max_new_tokens": 64, "n": 2}})
    judge = InterruptedJudge()
    with pytest.raises(tersely.RunError, match="could not be judged"):
        draw_samples(config, tmp_path / "samples", QUIET, judge)
    before = [group.rollouts for group in read_groups(tmp_path / "samples")]
    judge.interrupted = False
    draw_samples(config, tmp_path / "samples", QUIET, judge)
    groups = read_samples(tmp_path / "samples").groups
    assert [group.rollouts for group in groups] == before
    assert Status.UNJUDGED not in {verdict.status for group in groups for verdict in group.verdicts}
