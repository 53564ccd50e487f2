"""A run that never answers right says so at its first step and ends after a few, with its last good checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import ParityJudge
from tersely.cli import main
from tersely.display import PlainDisplay
from tersely.errors import RunError
from tersely.learn.loop import train
from tersely.records import Problem, Status, Verdict
from tersely.runs.logs import read_log
from tiny_models import make_model_folder, make_task
from training import settings


class RightUntil(ParityJudge):
    """As its parent for so many calls, one a step; then everything is wrong."""

    def __init__(self, calls: int) -> None:
        super().__init__(workers=1)
        self.left = calls

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        self.left -= 1
        return super().grade(pairs) if self.left >= 0 else [Verdict(Status.WRONG, "x", "differs")] * len(pairs)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def run(root: Path, out: Path, right: int, **settings_of_run: Any) -> None:
    config = settings(root, run={"steps": 8, "checkpoint_every": 1, **settings_of_run})
    train(config, out, PlainDisplay("wrong"), judge=RightUntil(right))


@pytest.mark.slow
def test_it_ends_after_three_steps_and_keeps_the_checkpoint_before_them(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match=r"not one answer .* in 3 steps in a row.* lower learner.learning_rate"):
        run(root, tmp_path / "run", right=2)
    assert "step 3: none of the 16 answers was right; after 3 such steps in a row" in capsys.readouterr().err
    assert len(read_log(tmp_path / "run/journal.jsonl")) == 5
    assert not (tmp_path / "run/done.json").exists()
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == ["step-000001", "step-000002"]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_too_short_to_be_ended_says_that_nothing_was_right(
    root: Path, tmp_path: Path, steps: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run(root, tmp_path / "run", right=0, steps=steps)
    assert "not one answer was right in the whole run, so nothing was learnt: " in capsys.readouterr().err
    assert (tmp_path / "run/done.json").exists()


@pytest.mark.slow
def test_the_steps_before_a_resume_count(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "run", right=1, steps=3)  # one right step and two that are not
    with pytest.raises(RunError, match="not one answer was right in 3 steps in a row"):
        run(root, tmp_path / "run", right=0)
    assert len(read_log(tmp_path / "run/journal.jsonl")) == 4


@pytest.mark.slow
def test_it_goes_on_where_that_is_asked_for(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "run", right=0, steps=4, all_wrong_stop=0)
    assert (tmp_path / "run/done.json").exists()


def test_a_model_that_solves_nothing_exits_with_3(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train",
        "--model",
        str(root / "model"),
        "--task",
        str(root / "task.jsonl"),
        "--out",
        str(tmp_path / "run"),
    ]
    for setting in ("sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=8", "run.threads=1"):
        words += ["--set", setting]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert "not one answer was right in 3 steps in a row" in said
    assert "trained:" not in said
