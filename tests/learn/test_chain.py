"""How far it is from the command to the loss."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tersely.cli import main
from tersely.learn import losses
from tersely.learn.losses import LossInputs, PolicyLoss, policy_loss
from tiny_models import make_model_folder, make_task

LIMIT = 5


def test_five_calls_lead_from_the_command_to_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chains: list[list[str]] = []

    def listening(given: LossInputs) -> PolicyLoss:
        frames = [f.function for f in inspect.stack(0) if "/tersely/" in f.filename]
        chains.append(frames[: frames.index("run_train")])
        return policy_loss(given)

    monkeypatch.setattr(losses, "LOSSES", {"ppo_clip": listening})
    make_model_folder(tmp_path / "model")
    make_task(tmp_path / "task.jsonl")
    options: dict[str, Any] = {"--model": tmp_path / "model", "--task": tmp_path / "task.jsonl"}
    options["--template"] = "question"
    words = [str(word) for pair in options.items() for word in pair] + ["--alpha", "0.2", "--steps", "1"]
    sizes = ("sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=8", "run.threads=1")
    words += [word for size in sizes for word in ("--set", size)]
    assert main(["train", *words, "--out", str(tmp_path / "run")]) == 0
    # The loss itself is the last call: train -> step -> update -> _micro_batch -> policy_loss.
    assert chains
    assert {tuple(reversed(chain)) for chain in chains} == {("train", "step", "update", "_micro_batch")}
    assert len(chains[0]) + 1 <= LIMIT
