"""A gold answer that cannot be judged is a matter of its row: a task is refused with its lines, or it is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tersely
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.cli import main
from tersely.errors import UserError
from tersely.evaluation.records import read_evaluation
from tersely.plan.files import folder_files, prompt_tokens
from tersely.records import Problem
from tersely.rollouts import load_problems
from tersely.runs.folder import read_config
from tersely.tasks import load_task, task_digest
from tersely.verify import Judge
from tiny_models import make_model_folder
from training import QUIET, settings

BAD = ["\\frac{1}{0}", "\\int_0^1 x^x dx", "9^{9^{9^9}}"]
SMALL = {
    "template": "question", "run.steps": 1, "run.checkpoint_every": 1, "run.threads": 1, "run.judge_workers": 1,
    "sampling.prompts": 2, "sampling.n": 2, "sampling.max_new_tokens": 16, "run.all_wrong_stop": 0,
}  # fmt: skip


def rows(start: int = 0) -> list[dict[str, str]]:
    """Good and bad golds in turn: the bad ones are numbers 2, 4 and 6 of 8."""
    golds = ["1", BAD[0], "2", BAD[1], "3", BAD[2], "4", "5"]
    return [{"problem": f"Question {start + i}?", "answer": gold} for i, gold in enumerate(golds)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unjudgeable")
    make_model_folder(folder / "model")
    for name, start in (("task", 0), ("held_out", 100)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(start)))
    return folder


@pytest.mark.parametrize("given", ["file", "own"])
def test_a_task_is_refused_with_the_list_of_lines_or_loaded_without_them(root: Path, given: str) -> None:
    task: object = root / "task.jsonl" if given == "file" else rows()
    place = "line" if given == "file" else "number"
    with Judge() as judge:
        with pytest.raises(
            UserError, match=f"3 of 8 gold answers cannot be judged .*--drop-unjudgeable.*{place} 2: .*{place} 6: "
        ):
            load_problems(task, "train", None, judge)
        loaded = load_problems(task, "train", 4, judge, drop=True)
    assert [problem.gold for problem in loaded.problems] == ["1", "2", "3", "4"]
    assert [one.place for one in loaded.dropped] == [f"{place} {n}" for n in (2, 4, 6)]
    assert [one.answer for one in loaded.dropped] == BAD
    assert loaded.identity == {"dropped": [one.id for one in loaded.dropped]}
    assert (loaded.words() or "").startswith("3 problems are left out, as their gold answers cannot be judged: ")


def test_nothing_dropped_leaves_no_trace(root: Path) -> None:
    with Judge() as judge:
        loaded = load_problems([row for row in rows() if row["answer"] not in BAD], "train", None, judge, drop=True)
    assert loaded.identity == {}
    assert loaded.words() is None


def test_where_a_verifier_decides_no_gold_is_looked_at(root: Path) -> None:
    class Own:
        def begin_grading(self, problem: Problem, text: str) -> None: ...

        def grade(self, pairs: object) -> list[object]:
            return []

    loaded = load_problems(root / "task.jsonl", "train", None, Own(), drop=True)  # type: ignore[arg-type]
    assert len(loaded.problems) == 8
    assert loaded.dropped == ()


def test_training_refuses_or_keeps_what_it_dropped_in_its_identity(root: Path, tmp_path: Path) -> None:
    train = {"model": root / "model", "task": root / "task.jsonl", "out": tmp_path / "run", "display": QUIET}
    with pytest.raises(UserError, match="3 of 8 gold answers cannot be judged"):
        tersely.train(**train, settings=SMALL)
    assert not (tmp_path / "run").exists()
    tersely.train(**train, settings={**SMALL, "drop_unjudgeable": True})
    kept = read_config(tmp_path / "run")
    assert len(kept["dropped"]) == 3
    assert "drop_unjudgeable" not in kept


def test_a_plan_takes_the_problems_that_training_would(root: Path) -> None:
    config = settings(root)
    place = root / "model"
    with pytest.raises(UserError, match="3 of 8 gold answers cannot be judged"):
        prompt_tokens(config, place, folder_files(place))
    (mean, largest), notes = prompt_tokens(
        config.model_copy(update={"drop_unjudgeable": True}), place, folder_files(place)
    )
    assert 0 < mean <= largest
    assert notes == []


def test_an_evaluation_says_what_it_dropped(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = root / "held_out.jsonl"
    command = ["evaluate", str(root / "model"), "--task", str(task), "--max-new-tokens", "8", "--out", str(tmp_path)]
    assert main(command) == 2
    assert "line 4: '\\\\int_0^1 x^x dx'" in capsys.readouterr().err
    assert main([*command, "--drop-unjudgeable"]) == 0
    assert "3 problems are left out" in capsys.readouterr().err
    folder = tmp_path / "model/held_out"
    with Judge() as judge:
        left = [p for p in load_task(task, "held_out") if judge.check_gold(p.gold, p.kind) is None]
    assert read_evaluation(folder).protocol.task_sha256 == task_digest(left)
    assert len(read_config(folder)["dropped"]) == 3
    said = json.loads((folder / "summary.json").read_text())["dropped"]
    assert [one["place"] for one in said] == ["line 2", "line 4", "line 6"]
    assert "has no value" in said[0]["reason"]


def test_samples_keep_what_was_dropped_in_their_identity(root: Path, tmp_path: Path) -> None:
    wanted = {
        "model": str(root / "model"), "task": str(root / "task.jsonl"), "template": "question",
        "sampling": {"n": 2, "max_new_tokens": 8}, "run": {"threads": 1, "judge_workers": 1},
    }  # fmt: skip
    with pytest.raises(UserError, match="3 of 8 gold answers cannot be judged"):
        draw_samples(resolve_samples(wanted), tmp_path / "samples", QUIET)
    draw_samples(resolve_samples({**wanted, "drop_unjudgeable": True}), tmp_path / "samples", QUIET)
    assert len(read_config(tmp_path / "samples")["dropped"]) == 3
