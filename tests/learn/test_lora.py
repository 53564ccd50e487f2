"""LoRA: adapters alone train, the base is the reference, and everyone else gets merged plain weights."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from saved_memory import TINY, saved_bytes
from tersely.config import LearnerConfig, LoraConfig, TrainConfig, merge, resolve
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.logprobs import token_logprobs
from tersely.learn.lora import Adapter
from tersely.learn.trainer import Trainer
from tersely.plan import ModelShape, layout_of, predict_memory
from tersely.plan.lengths import default_profile
from tersely.runs.folder import read_log
from tersely.samplers.decoders import fused_supports
from tiny_models import make_model, make_model_folder, make_task
from training import train_for_odd_texts

pytest.importorskip("peft")
QUIET = PlainDisplay("test")
VOCABULARY = 60
LORA = {"rank": 4, "alpha": 8.0}


def make_rows(count: int = 6, seed: int = 0) -> list[TrainingRow]:
    rng = np.random.default_rng(seed)
    return [
        TrainingRow(
            prompt_tokens=tuple(map(int, rng.integers(2, VOCABULARY, 3))),
            tokens=tuple(map(int, rng.integers(2, VOCABULARY, int(rng.integers(2, 9))))),
            advantage=float(rng.normal()),
            sampled_logprobs_T=None,
            has_signal=True,
        )
        for _ in range(count)
    ]


def learner_of(model: Any, dtype: torch.dtype | None = None, **settings: Any) -> Learner:
    settings = {"learning_rate": 1e-2, "warmup_steps": 0, "lora": LORA, **settings}
    return Learner(model, None, LearnerConfig(**settings), 1.0, 32, dtype, seed=5)


@torch.no_grad()
def logprobs(model: Any, rows: Sequence[TrainingRow]) -> torch.Tensor:
    return token_logprobs(model, rows, 1.0).logprobs_N


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_the_merged_model_is_the_base_before_a_step_and_the_wrapped_policy_after_it(kind: str) -> None:
    base = make_model(VOCABULARY, kind)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    learner, rows = learner_of(base), make_rows()
    merged = learner.served_model()
    assert all(torch.equal(weight, before[name]) for name, weight in merged.state_dict().items())
    for _ in range(3):
        learner.update([rows[:3], rows[3:]])
    wrapped = logprobs(learner.model, rows)
    assert learner.served_model() is merged
    assert merged.state_dict().keys() == before.keys()
    torch.testing.assert_close(logprobs(merged, rows), wrapped, rtol=0, atol=1e-5)
    changed = {name for name, weight in merged.state_dict().items() if not torch.equal(weight, before[name])}
    # Seven projections in each of two layers; embedding, norms, biases and head stay.
    assert len(changed) == 14
    assert all(name.endswith("_proj.weight") for name in changed)


def test_with_the_adapter_off_the_policy_is_the_base_bit_for_bit_however_far_it_went() -> None:
    rows, base = make_rows(), make_model(VOCABULARY)
    wanted = logprobs(base, rows)
    learner = learner_of(base)
    for _ in range(3):
        metrics = learner.update([rows])
    assert float((logprobs(learner.model, rows) - wanted).abs().max()) > 0.01
    with learner.adapter.off():
        assert torch.equal(logprobs(learner.model, rows), wanted)
    assert metrics.kl > 0


def test_only_the_adapter_trains_and_only_it_has_optimizer_state() -> None:
    learner, rows = learner_of(make_model(VOCABULARY)), make_rows()
    before = {name: weight.clone() for name, weight in learner.model.named_parameters()}
    learner.update([rows, rows])
    changed = {name for name, weight in learner.model.named_parameters() if not torch.equal(weight, before[name])}
    adapter = {name for name in before if "lora_" in name}
    assert changed == adapter
    assert len(learner.optimizer.state) == len(adapter)
    assert learner.reference is learner.scorer


def test_the_kl_is_that_of_a_reference_kept_as_a_copy() -> None:
    """The same steps with the reference as a model of its own instead of the adapter switched off."""
    rows, base = make_rows(), make_model(VOCABULARY)
    found, other = learner_of(make_model(VOCABULARY)), learner_of(make_model(VOCABULARY))
    other.reference = type(other.scorer)(base)
    for _ in range(3):
        metrics, wanted = found.update([rows]), other.update([rows])
        assert (metrics.kl, metrics.losses) == (wanted.kl, wanted.losses)
    assert metrics.kl > 0


def test_gradient_checkpointing_gives_the_same_weights() -> None:
    plain, recomputing = (learner_of(make_model(VOCABULARY), gradient_checkpointing=on) for on in (False, True))
    for learner in (plain, recomputing):
        for _ in range(2):
            assert learner.update([make_rows()]).gradient_norms[0] > 0
    for a, b in zip(plain.model.parameters(), recomputing.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_under_bfloat16_the_base_is_bfloat16_and_the_adapter_keeps_what_rounding_would_lose() -> None:
    learner, rows = learner_of(make_model(VOCABULARY), torch.bfloat16), make_rows()
    kinds = {("lora_" in name, weight.dtype) for name, weight in learner.model.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    base = {name: weight.clone() for name, weight in learner.model.named_parameters() if "lora_" not in name}
    for _ in range(3):
        learner.update([rows])
    assert all(torch.equal(weight, base[name]) for name, weight in learner.model.named_parameters() if name in base)
    first = {name: weight.clone() for name, weight in learner.served_model().named_parameters()}
    # Merging again and again from the same adapter gives the same bits: nothing adds up.
    for name, weight in learner.served_model().named_parameters():
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight, first[name])
    adapter = [weight for name, weight in learner.model.named_parameters() if "lora_" in name]
    assert any(not torch.equal(weight, weight.bfloat16().float()) for weight in adapter)


def test_the_fused_decoder_does_not_take_a_model_with_adapters() -> None:
    learner = learner_of(make_model(VOCABULARY))
    assert not fused_supports(learner.model)
    assert fused_supports(learner.served_model())


# ---- in a run


def settings(root: Path, **over: Any) -> TrainConfig:
    base = {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "seed": 3,
        "objective": {"alpha": 0.2},
        "sampling": {"prompts": 4, "n": 4, "max_new_tokens": 40},
        "learner": {"learning_rate": 1e-2, "lora": LORA},
        "run": {"steps": 4, "checkpoint_every": 2, "threads": 1, "judge_workers": 1},
    }
    return resolve(merge(base, over))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def forget_the_end(run: Path) -> None:
    """As if the run had been killed after its first checkpoint."""
    shutil.rmtree(run / "checkpoints/step-000004")
    (run / "done.json").unlink()


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_run_resumes_with_the_same_bits_from_plain_checkpoints(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    seen: list[Learner] = []
    save = Trainer.save
    monkeypatch.setattr(Trainer, "save", lambda self, step: (seen.append(self.learner), save(self, step))[1])
    config = settings(root, run={"dtype": dtype})
    train_for_odd_texts(config, tmp_path / "run")
    folder, rows = tmp_path / "run/checkpoints/step-000004", make_rows()
    served = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    assert served.dtype == getattr(torch, dtype)
    assert load_file(folder / "model.safetensors").keys() == load_file(root / "model/model.safetensors").keys()
    if dtype == "float32":
        torch.testing.assert_close(logprobs(served, rows), logprobs(seen[-1].model, rows), rtol=0, atol=1e-5)
    state = load_file(folder / "training/optimizer.safetensors")
    kept = {name for name in state if name.startswith("master.")}
    assert len(kept) == 28
    assert all("lora_" in name and state[name].dtype == torch.float32 for name in kept)

    shutil.copytree(tmp_path / "run", tmp_path / "again")
    forget_the_end(tmp_path / "again")
    train_for_odd_texts(config, tmp_path / "again")
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        there = tmp_path / "again/checkpoints/step-000004" / name
        assert there.read_bytes() == (folder / name).read_bytes()
    assert (tmp_path / "again/journal.jsonl").read_bytes() == (tmp_path / "run/journal.jsonl").read_bytes()


@pytest.mark.slow
def test_responses_are_sampled_from_the_merged_weights(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(settings(root), tmp_path / "run")
    journal = read_log(tmp_path / "run/journal.jsonl")
    # The sampler's own log-probabilities against the wrapped policy's: the same policy, every step.
    assert all(line["logprob_gap_max"] < 1e-4 for line in journal)
    assert 0 < journal[0]["kl"] < 1e-3 < journal[-1]["kl"]


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"targets": "q_proj,nothing"}, "learner.lora.targets names 'nothing', which is no linear layer of this model"),
        ({"targets": "lm_head"}, "whose weight this model shares with another layer"),
    ],
)
def test_bad_targets_end_in_one_sentence_before_a_run_folder_is_made(
    root: Path, tmp_path: Path, lora: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        train_for_odd_texts(settings(root, learner={"lora": lora}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_peft_the_run_says_what_to_install(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"pip install .*\[lora\]'"):
        train_for_odd_texts(settings(root), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"rank": 0}, "setting learner.lora.rank = 0 cannot be used"),
        ({"targets": "a,,b"}, "setting learner.lora.targets = 'a,,b' cannot be used"),
        ({"rnk": 8}, "unknown setting 'learner.lora.rnk' (did you mean 'learner.lora.rank'?)"),
        ({"rank": 8}, "learner.optimizer = adam8bit would save next to nothing with learner.lora"),
        (32, "setting learner.lora = 32 cannot be used: it is a section"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(root: Path, lora: Any, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        resolve({**settings(root).model_dump(), "learner": {"lora": lora, "optimizer": "adam8bit"}})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


# ---- what it needs


def test_the_plan_counts_the_adapter_that_peft_makes(root: Path) -> None:
    shape = ModelShape.of(json.loads((root / "model/config.json").read_text()))
    for targets in ("all-linear", "q_proj,down_proj"):
        lora = LoraConfig(rank=4, targets=targets)
        learner = learner_of(AutoModelForCausalLM.from_pretrained(root / "model"), lora=lora)
        counted = sum(p.numel() for name, p in learner.model.named_parameters() if "lora_" in name)
        assert shape.adapter_parameters(lora.rank, lora.target_names) == counted


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_plan_counts_what_autograd_keeps_beside_a_frozen_base(dtype: torch.dtype) -> None:
    """As test_plan.py counts it for weights that all train: differences leave one layer and one token."""
    rank, total = 8, {}
    for layers in (2, 3):
        made = Qwen2Config(**{**TINY, "num_hidden_layers": layers})
        model = Qwen2ForCausalLM(made).to(dtype)
        Adapter(model, LoraConfig(rank=rank), seed=0)
        for tokens in (128, 192):
            total[layers, tokens] = saved_bytes(model, 300, tokens, autocast=dtype == torch.bfloat16)
    per_token = ((total[3, 192] - total[2, 192]) - (total[3, 128] - total[2, 128])) / 64
    shape, element = ModelShape.of(json.loads(made.to_json_string(use_diff=False))), dtype.itemsize
    assert per_token == shape.activation_bytes(element, element) + shape.adapter_activation_bytes(rank, element)


def test_the_plan_of_a_lora_run_by_hand() -> None:
    """7.6e9 parameters in bfloat16, twice (the base, and merged for the sampler); no reference, no masters."""
    config = settings(Path(), learner={"lora": {"rank": 32}})
    shape = ModelShape.of(
        {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
        }
    )
    n = shape.parameters
    # Rank times (in + out) of q, k, v, o, gate, up, down in 28 layers.
    widths = 2 * (3584 + 3584) + 2 * (3584 + 512) + 3 * (3584 + 18944)
    adapter = 32 * 28 * widths
    memory = predict_memory(shape, config, layout_of(config, "cuda"), default_profile(n), 100, "cuda")
    assert memory.weights == 2 * n + 4 * adapter
    assert (memory.gradients, memory.optimizer) == (4 * adapter, 8 * adapter)
    assert (memory.copy, memory.reference) == (2 * n, 0)
