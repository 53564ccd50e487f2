"""Loading a model folder: all its weights, or one sentence; never random numbers in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tersely.cli import main
from tersely.config import resolve
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.learn.loop import train
from tersely.models.load import load_model
from tersely.runs.manifest import MANIFEST, seal
from tiny_models import make_model_folder, make_task

Weights = dict[str, torch.Tensor]
UP = "model.layers.0.mlp.up_proj.weight"
EMBEDDING, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"


def folder_with(folder: Path, kind: str, change: Callable[[Weights], Weights]) -> Path:
    """A folder of a small model, its weights changed. "qwen2" ties its output layer to the embedding."""
    make_model_folder(folder, kind)
    change_weights(folder, change)
    return folder


def change_weights(folder: Path, change: Callable[[Weights], Weights]) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})


def without(*names: str) -> Callable[[Weights], Weights]:
    return lambda weights: {name: tensor for name, tensor in weights.items() if name not in names}


def renamed(rename: Callable[[str], str]) -> Callable[[Weights], Weights]:
    return lambda weights: {rename(name): tensor for name, tensor in weights.items()}


def load(folder: Path) -> Any:
    return load_model(folder, torch.device("cpu"), torch.float32)


def refusal(folder: Path) -> str:
    """The sentence that refuses the folder; asserts that it names the folder and is one line."""
    with pytest.raises(UserError) as refused:
        load(folder)
    message = str(refused.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_a_missing_weight_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    message = refusal(folder_with(tmp_path / "model", kind, without(UP)))
    assert f"lacks 1 weight of its model, first {UP}, and random numbers" in message


def test_an_untied_output_layer_is_missing(tmp_path: Path) -> None:
    assert f"first {OUTPUT}" in refusal(folder_with(tmp_path / "model", "llama", without(OUTPUT)))


def test_a_tied_weight_is_enough_under_either_name(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model")
    held = load_file(folder / "model.safetensors")
    assert OUTPUT not in held
    change_weights(folder, lambda weights: {**without(EMBEDDING)(weights), OUTPUT: weights[EMBEDDING]})
    for loaded in (load(make_model_folder(tmp_path / "usual")), load(folder)):
        assert torch.equal(loaded.lm_head.weight, held[EMBEDDING])
        assert torch.equal(loaded.model.embed_tokens.weight, held[EMBEDDING])


def test_a_tied_weight_under_neither_name_is_missing_once(tmp_path: Path) -> None:
    message = refusal(folder_with(tmp_path / "model", "qwen2", without(EMBEDDING)))
    assert f"lacks 1 weight of its model, first {EMBEDDING}" in message


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@pytest.mark.parametrize(
    ("wrapper", "rename"),
    [
        ("_orig_mod", lambda name: f"_orig_mod.{name}"),
        ("module", lambda name: f"module.{name}"),
        ("module._orig_mod", lambda name: f"module._orig_mod.{name}"),
        ("_orig_mod", lambda name: name.replace("layers.0.", "layers.0._orig_mod.")),
    ],
)
def test_names_of_a_wrapped_model_are_said_to_be_so(
    tmp_path: Path, kind: str, wrapper: str, rename: Callable[[str], str]
) -> None:
    folder = folder_with(tmp_path / "model", kind, renamed(rename))
    message = refusal(folder)
    assert f"saved from a compiled or wrapped model; save them again without '{wrapper}'" in message
    assert (
        rename("model.layers.0.input_layernorm.weight") in message
        or rename(OUTPUT) in message
        or rename(EMBEDDING) in message
    )


def test_other_names_are_shown_beside_those_that_are_missing(tmp_path: Path) -> None:
    message = refusal(folder_with(tmp_path / "model", "llama", renamed(lambda name: name.replace("mlp", "ffn"))))
    assert "lacks 6 weights of its model, first model.layers.0.mlp.down_proj.weight" in message
    assert "holds 6 weights that it has no use for, first model.layers.0.ffn.down_proj.weight" in message


def test_a_weight_of_another_shape_is_refused_by_name_and_shapes(tmp_path: Path) -> None:
    message = refusal(folder_with(tmp_path / "model", "qwen2", lambda weights: {**weights, UP: torch.zeros(3, 2)}))
    assert (
        f"1 weight of another shape than its config.json asks for, first {UP} with [3, 2] instead of [64, 32]"
        in message
    )


def test_unused_weights_are_named_once_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    more = {f"head.{i}": torch.zeros(3) for i in range(5)}
    folder = folder_with(tmp_path / "model", "qwen2", lambda weights: {**weights, **more})
    capfd.readouterr()
    loaded = [load(folder), load(folder)]
    note = f"{folder} holds 5 weights that its model has no use for: head.0, head.1, head.2, ...\n"
    assert capfd.readouterr().err == note
    assert not any(parameter.isnan().any() for model in loaded for parameter in model.parameters())


def test_a_served_model_loads_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_model_folder(tmp_path / "model", "llama")
    capfd.readouterr()
    state = load(folder).state_dict()
    assert capfd.readouterr().err == ""
    assert all(torch.equal(state[name], tensor) for name, tensor in load_file(folder / "model.safetensors").items())


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_the_command_line_refuses_a_model_with_a_hole(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_with(tmp_path / "model", "qwen2", without(UP))
    task = ["--task", str(make_task(tmp_path / "task.jsonl", 32)), "--out", str(tmp_path / "out")]
    few = ["--set", "sampling.prompts=4", "--set", "sampling.max_new_tokens=8"]
    model = ["--model", str(folder), *few] if verb == "train" else [str(folder), "--max-new-tokens", "8"]
    capsys.readouterr()
    assert main([verb, *model, *task]) == 2
    assert f"first {UP}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_resume_refuses_a_checkpoint_with_a_hole(tmp_path: Path) -> None:
    sampling = {"prompts": 4, "n": 2, "max_new_tokens": 8}
    run = {"steps": 2, "checkpoint_every": 1, "threads": 1, "judge_workers": 1}
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl")
    config = resolve({"model": str(model), "task": str(task), "sampling": sampling, "run": run})
    train(config, tmp_path / "run", PlainDisplay("test"))
    (tmp_path / "run/done.json").unlink()
    checkpoint = tmp_path / "run/checkpoints/step-000002"
    change_weights(checkpoint, without(UP))
    (checkpoint / MANIFEST).unlink()
    seal(checkpoint, 2)
    with pytest.raises(UserError, match=f"step-000002 lacks 1 weight of its model, first {UP}"):
        train(config, tmp_path / "run", PlainDisplay("test"))
