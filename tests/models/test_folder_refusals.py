"""Model folders that would become another model, or a traceback: one sentence that says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tersely.cli import main
from tersely.errors import UserError
from tersely.models.folder import resolve_model
from tersely.models.load import load_model
from tiny_models import make_model_folder, make_task


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


QUANTISED = [
    ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
    ({"quantization_config": {"quant_method": "awq"}}, "awq"),
    ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "bitsandbytes"),
    ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
    ({"compression_config": {"format": "x"}}, "an unnamed method"),
    ({"text_config": {"quantization_config": {"quant_method": "fp8"}}}, "fp8"),
]


@pytest.mark.parametrize(("change", "method"), QUANTISED)
def test_quantised_weights_are_refused_by_method(tmp_path: Path, change: dict[str, Any], method: str) -> None:
    folder = make_model_folder(tmp_path / "model")
    edit(folder / "config.json", **change)
    with pytest.raises(
        UserError, match=rf"{folder}.* holds quantised weights \({method}.*take the model that they were made from"
    ):
        resolve_model(folder)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8])
def test_weights_that_are_codes_are_refused_where_config_json_is_silent(tmp_path: Path, dtype: torch.dtype) -> None:
    """As some exports have it, their scales beside them: transformers took the codes for weights, with a note."""
    folder = make_model_folder(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("q_proj.weight"))
    weights |= {name: (weights[name] * 100).to(dtype), f"{name}_scale": torch.tensor([0.01])}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=rf"quantised weights \({name} is (F8_E4M3|I8)\).*the model that they were"):
        resolve_model(folder)


def test_an_adapter_beside_a_model_is_refused_and_says_how_to_merge(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    with pytest.raises(UserError, match=r"adapter_config.json\) beside a model: merge it.*merge_and_unload.*or move"):
        resolve_model(folder)


@pytest.mark.parametrize("content", ['{"base_model_name_or_path": "org/base"}', "{}", "["])
def test_an_adapter_instead_of_a_model_names_its_base(tmp_path: Path, content: str) -> None:
    (tmp_path / "adapter_config.json").write_text(content)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"adapter_config.json is damaged|instead of a model: merge it") as refused:
        resolve_model(tmp_path)
    assert ("org/base" in str(refused.value)) == ("org/base" in content)


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": 3}', '{"model_type": "no-such-model"}', "{}"])
def test_a_config_that_is_none_is_one_sentence(tmp_path: Path, content: str) -> None:
    folder = make_model_folder(tmp_path / "model")
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json") as refused:
        load_model(resolve_model(folder), torch.device("cpu"), torch.float32)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("what", ["adapter", "quantised"])
@pytest.mark.parametrize("command", ["train", "evaluate", "plan"])
def test_every_command_refuses_with_exit_2(
    tmp_path: Path, command: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_model_folder(tmp_path / "model")
    if what == "adapter":
        (folder / "adapter_config.json").write_text("{}")
    else:
        edit(folder / "config.json", quantization_config={"quant_method": "gptq"})
    task, out = str(make_task(tmp_path / "task.jsonl", 4)), str(tmp_path / "out")
    given = {
        "train": ["train", "--model", str(folder), "--task", task, "--out", out],
        "evaluate": ["evaluate", str(folder), "--task", task, "--out", out],
        "plan": ["plan", "--model", str(folder), "--task", task],
    }[command]
    assert main(given) == 2
    said = " ".join(" ".join(capsys.readouterr()).split())
    assert ("holds an adapter" if what == "adapter" else "quantised weights (gptq") in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("attention", ["flash_attention_2", "flash_attention_3"])
def test_an_attention_that_is_not_installed_is_one_sentence(tmp_path: Path, attention: str) -> None:
    folder = make_model_folder(tmp_path / "model")
    edit(folder / "config.json", attn_implementation=attention, _attn_implementation=attention)
    with pytest.raises(
        UserError, match=r"not installed.*take what asks for it, such as attn_implementation, out of"
    ) as e:
        load_model(folder, torch.device("cpu"), torch.float32)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_weights_that_are_no_file_are_refused_and_not_waited_for(tmp_path: Path, what: str) -> None:
    folder = make_model_folder(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.unlink()
    {"link": lambda: weights.symlink_to("gone"), "pipe": lambda: os.mkfifo(weights), "folder": weights.mkdir}[what]()
    with pytest.raises(UserError, match=r"model\.safetensors is no regular file, or a link to nothing: download"):
        resolve_model(folder)
