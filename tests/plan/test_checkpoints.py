"""What the checkpoints of a run take on the disk, and a disk that is too small for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tersely.config import LearnerConfig, TrainConfig, merge, resolve, set_key
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.state import TRAINING_STATE, training_state, write_training_state
from tersely.models.save import save_model
from tersely.plan.checkpoints import DiskNeed, checkpoint_bytes, disk_need, disk_refusal, main_memory_bytes
from tersely.plan.memory import Layout, layout_of
from tiny_architectures import tiny_model
from tiny_models import make_tokenizer

LARGE = 7_615_616_512
ROWS = [TrainingRow((5, 6, 7), (10 + i, 40, 41), None, (-1.0) ** i, has_signal=True) for i in range(4)]


def config(**over: Any) -> TrainConfig:
    return resolve(merge({"model": "m", "task": "t"}, over))


def obeyed(before: TrainConfig, sentence: str) -> TrainConfig:
    settings = before.model_dump()
    (assignment,) = re.findall(r"--set (\S+?=[\w.]+)", sentence)
    set_key(settings, assignment)
    return resolve(settings)


def need_of(some: TrainConfig) -> DiskNeed:
    return disk_need(some, layout_of(some, "cuda", 8), LARGE)


def test_a_default_run_of_7b_keeps_two_whole_checkpoints_and_the_weights_of_eight_older_ones() -> None:
    need = need_of(config())
    # 2 bytes served, 4 of masters and 8 of moments; 14 x 7.6e9 = 106.6e9.
    assert (need.whole, need.weights, need.held, need.points) == (14 * LARGE, 2 * LARGE, 3, 8)
    assert need.total == pytest.approx(441.7e9, rel=1e-3)
    assert main_memory_bytes(LARGE, layout_of(config(), "cuda", 8)) == 14 * LARGE
    assert need_of(config(run={"steps": 5})).held == 1
    assert need_of(config(checkpoint={"weights_only": False})).points == 0


@pytest.mark.parametrize(
    ("free", "said"),
    [(400e9, "run.checkpoint_every=15"), (330e9, "checkpoint.weights_only=false"), (325e9, "weights_only=false")],
)
def test_a_disk_that_is_too_small_is_said_with_a_cure_that_is_enough(free: float, said: str) -> None:
    given = config()
    sentence = disk_refusal(given, need_of(given), free, "/runs")
    assert sentence is not None
    assert said in sentence
    assert "/runs has" in sentence
    assert "keeps 3 checkpoints of 106.6 GB and the weights of 8 older ones, 15.2 GB each, in all 441.7 GB" in sentence
    cured = obeyed(given, sentence)
    assert disk_refusal(cured, need_of(cured), free, "/runs") is None


def test_a_disk_that_cannot_hold_three_checkpoints_needs_room() -> None:
    sentence = disk_refusal(config(), need_of(config()), 200e9, "/runs")
    assert sentence is not None
    assert sentence.endswith("free 119.9 GB there, or name a folder on a larger disk")


@pytest.mark.parametrize(
    ("optimizer", "dtype"), [("adam", torch.float32), ("adam", torch.bfloat16), ("adam8bit", torch.bfloat16)]
)
def test_bytes_of_a_checkpoint_are_those_on_the_disk(tmp_path: Path, optimizer: str, dtype: torch.dtype) -> None:
    pytest.importorskip("torchao")
    model = tiny_model("llama", hidden_size=128, intermediate_size=512, vocab_size=512)
    parameters = sum(p.numel() for p in model.parameters())
    settings = LearnerConfig(optimizer=optimizer, kl_coefficient=0.0)  # type: ignore[arg-type]
    learner = Learner(model, None, settings, 1.0, 32, dtype)
    learner.update([ROWS])
    save_model(tmp_path, learner.model, make_tokenizer(), dtype)
    write_training_state(tmp_path, training_state(model, learner.optimizer, learner.has_separate_masters))
    found = sum((tmp_path / name).stat().st_size for name in ("model.safetensors", TRAINING_STATE))
    layout = Layout(4 if dtype == torch.float32 else 2, optimizer)
    assert found == pytest.approx(checkpoint_bytes(parameters, layout), rel=0.03)
