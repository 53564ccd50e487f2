"""Plans for a GPU by name, with adapters as a cure, and without the hub where the model lies here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.errors import UserError
from tersely.plan.gpus import GPUS
from tersely.plan.run import PlanInputs
from tiny_models import make_model_folder, make_task

QWEN_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 131072,
}  # fmt: skip


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    main(["plan", *words, "--json"])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_of_the_table_has_its_memory_and_its_seconds(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    task = make_task(tmp_path / "task.jsonl", count=40)
    found = plan(capsys, "--model", str(tmp_path), "--task", str(task), "--gpu", name)
    assert found["available_bytes"] == GPUS[name].memory
    assert list(found["seconds_an_iteration"]) == [f"{name.upper()}, {kind}" for kind in ("floor", "good", "typical")]  # type: ignore[call-overload]


def test_an_unknown_gpu_and_two_sizes_are_refused() -> None:
    with pytest.raises(UserError, match=r"unknown GPU 'h10'.*did you mean 'h100'"):
        PlanInputs(gpu="h10")
    with pytest.raises(UserError, match="give one of them"):
        PlanInputs(gpu="h100", gpu_memory=80.0)


def test_adapters_are_the_cure_where_nothing_milder_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """7 B on 40 GB: optimizer and masters alone exceed it, whatever the cap."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    task = make_task(tmp_path / "task.jsonl", count=40)
    words = ["--model", str(tmp_path), "--task", str(task), "--gpu", "a100-40", "--mean-length", "500"]
    words += ["--set", "sampling.max_new_tokens=2000"]
    (refusal,) = plan(capsys, *words)["refusals"]  # type: ignore[misc]
    assert "--set learner.lora.rank=32" in refusal


def test_a_model_that_lies_here_is_planned_without_the_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.tasks.load_task", None)  # would be asked for the recipe's task, which is on the hub
    found = plan(capsys, "--model", str(make_model_folder(tmp_path / "model")))
    assert any("the hub is not asked for numina" in str(note) for note in found["notes"])  # type: ignore[attr-defined]
