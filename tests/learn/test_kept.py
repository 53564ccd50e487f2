"""What a run leaves on the disk: every tenth step a point of a curve, the newest two to go on from, and a refusal
before the first step where there is no room for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tersely.commands.verb import kept_checkpoints
from tersely.errors import UserError
from tersely.learn.state import TRAINING_STATE
from tersely.models.load import load_model
from tersely.runs import disk
from tersely.runs.manifest import CHECKPOINTS, WEIGHTS
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_model_folder(tmp_path / "model")
    make_task(tmp_path / "task.jsonl")
    return tmp_path


@pytest.mark.slow
def test_a_run_keeps_the_weights_of_every_checkpoint_and_training_state_of_the_newest_two(root: Path) -> None:
    train_for_odd_texts(settings(root, run={"checkpoint_every": 1}), root / "run")
    found = kept_checkpoints(root / "run")
    assert [step for step, _ in found] == [1, 2, 3, 4]
    assert [folder.parent.name for _, folder in found] == [WEIGHTS, WEIGHTS, CHECKPOINTS, CHECKPOINTS]
    assert [(folder / TRAINING_STATE).exists() for _, folder in found] == [False, False, True, True]
    models = [load_model(folder, torch.device("cpu"), torch.float32) for _, folder in found]
    first = [next(model.parameters())[0, :4].tolist() for model in models]
    assert len({tuple(row) for row in first}) == 4


@pytest.mark.slow
def test_it_keeps_none_where_that_is_asked_for(root: Path) -> None:
    over = {"run": {"checkpoint_every": 1}, "checkpoint": {"weights_only": False}}
    train_for_odd_texts(settings(root, **over), root / "run")
    assert [step for step, _ in kept_checkpoints(root / "run")] == [3, 4]
    assert not (root / "run" / WEIGHTS).exists()


@pytest.mark.slow
def test_a_disk_without_room_for_the_checkpoints_is_refused_before_anything_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(root)
    monkeypatch.setattr(disk, "free_bytes", lambda _path: 1000)
    with pytest.raises(UserError, match=r"free, and this run keeps 2 checkpoints of .*: free .* there, or name a"):
        train_for_odd_texts(config, root / "run")
    assert not (root / "run").exists()
    monkeypatch.undo()
    summary = train_for_odd_texts(config, root / "run")
    # Finished work needs no more room, however full the disk is.
    monkeypatch.setattr(disk, "free_bytes", lambda _path: 1000)
    assert train_for_odd_texts(config, root / "run") == summary
