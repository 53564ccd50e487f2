"""A run that is still training may be evaluated, and that binds nobody to the weights of the day."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tersely
from graders import ParityJudge
from tersely.evaluation.records import Evaluation
from tiny_models import make_model_folder, make_task
from training import QUIET

SMALL = {
    "template": "question", "run.steps": 2, "run.checkpoint_every": 1, "run.threads": 1, "sampling.prompts": 2,
    "sampling.n": 4, "sampling.max_new_tokens": 64, "learner.learning_rate": 1e-2, "learner.warmup_steps": 0,
}  # fmt: skip


@pytest.mark.slow
def test_an_evaluation_of_an_unfinished_run_bears_its_step(tmp_path: Path) -> None:
    make_model_folder(tmp_path / "model")
    task, held = make_task(tmp_path / "task.jsonl", 4), make_task(tmp_path / "held.jsonl", 4, start=100)
    run = tmp_path / "run"
    tersely.train(model=tmp_path / "model", task=task, out=run, judge=ParityJudge(), settings=SMALL, display=QUIET)
    shutil.copytree(run, tmp_path / "whole")

    def evaluated() -> Evaluation:
        return tersely.evaluate(run, task=held, max_new_tokens=8, judge=ParityJudge(), display=QUIET)

    # As it was after its first step.
    (run / "done.json").unlink()
    shutil.rmtree(run / "checkpoints/step-000002")
    early = evaluated()
    assert early.name == "held@step-000001"
    assert not (run / "evaluation/held").exists()
    # And after its last.
    shutil.copytree(tmp_path / "whole", run, dirs_exist_ok=True)
    last = evaluated()
    assert last.name == "held"
    assert last.weights_sha256 != early.weights_sha256
