"""A model of another architecture from end to end: what is trained on is its own, or one sentence says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from run_files import content_of
from tersely.cli import main
from tersely.config import TrainConfig
from tersely.errors import RunError, UserError
from tersely.facts import Facts
from tersely.learn.loop import train
from tersely.models.agreement import MODEL_CHECK, own_logprobs
from tersely.opened import open_model, sampling_alone
from tersely.plan.checks import check_plan
from tersely.runs.folder import read_log
from tersely.samplers import Prompt, Sampling
from tersely.samplers.transformers import TransformersSampler
from tiny_architectures import LONGROPE, save_tiny, tiny_model
from tiny_models import make_task, make_tokenizer


class Told:
    """A display that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def phase(self, *_: Any) -> None: ...

    def step(self, *_: Any) -> None: ...


def folder(root: Path, architecture: str, **more: Any) -> Path:
    return save_tiny(root / "model", architecture, **more)


def config(root: Path, **sections: Any) -> TrainConfig:
    sections.setdefault("sampling", {"prompts": 2, "n": 4, "max_new_tokens": 12})
    run = {"steps": 2, "checkpoint_every": 2, "probe": False, "dtype": "float32", "device": "cpu"}
    task = str(make_task(root / "task.jsonl", 6))
    return TrainConfig(model=str(root / "model"), task=task, template="question", run=run, **sections)


@pytest.mark.parametrize(
    ("architecture", "repaired"),
    [
        ("granite", "output head"),
        ("mamba", "decoder"),
        pytest.param("llama4_text", "output head", marks=pytest.mark.slow),
    ],
)
def test_training_scores_what_was_sampled_and_says_what_was_repaired(
    architecture: str, repaired: str, tmp_path: Path
) -> None:
    folder(tmp_path, architecture)
    display = Told()
    settings = config(tmp_path, learner={"kl_in": "loss", "skip_no_signal": "never"})
    train(settings, tmp_path / "run", display)  # type: ignore[arg-type]
    assert any(note.startswith(f"{repaired}: ") for note in display.notes)
    assert set(content_of(tmp_path / "run" / MODEL_CHECK)) == {"tokenizer", "decoder", "output head", "layout"}
    # The reference has the weights that sampled the first step, so any KL there is an error of our own.
    assert abs(read_log(tmp_path / "run/journal.jsonl")[0]["kl"]) < 1e-5


@pytest.mark.parametrize(
    "architecture",
    ["lfm2", "rwkv", pytest.param("qwen3_next", marks=pytest.mark.slow), pytest.param("mamba", marks=pytest.mark.slow)],
)
def test_sampled_logprobs_are_the_models_own_beside_longer_prompts(architecture: str, tmp_path: Path) -> None:
    opened = open_model(folder(tmp_path, architecture), Facts(torch.device("cpu"), torch.float32, "transformers"))
    prompts = [Prompt("a", (150, 151, 152, 153, 154)), Prompt("b", (160, 161)), Prompt("c", (170, 171))]
    sampler, _ = opened.make_sampler(sampling_alone(16, 12), [p.tokens for p in prompts])
    for rollout in sampler.generate(prompts, Sampling(n=3, max_new_tokens=16, seed=1)):
        row = rollout.prompt_tokens + rollout.tokens
        with torch.no_grad():
            own = own_logprobs(opened.model, [row])[0, len(rollout.prompt_tokens) - 1 : -1]
        wanted = own[torch.arange(rollout.length), torch.tensor(rollout.tokens)]
        np.testing.assert_allclose(rollout.logprobs, wanted.numpy(), atol=1e-4)


@pytest.mark.slow
def test_show_asks_only_what_the_check_lets_through_and_says_what_it_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder(tmp_path, "mamba")
    asked = ["show", str(path), "--ask", "What is 1+1?", "--max-new-tokens", "4"]
    trained_for = {"template": "question"}
    (path / "trained_for.json").write_text(json.dumps(trained_for))
    assert main(asked) == 0
    assert "so the slower generate is used" in capsys.readouterr().err
    folder(tmp_path, "bert")
    assert main(asked) == 2
    assert "cannot reproduce this bert model's own log-probabilities" in capsys.readouterr().err


def test_packing_by_name_is_refused_before_the_run_folder_is_touched(tmp_path: Path) -> None:
    folder(tmp_path, "lfm2")
    with pytest.raises(UserError, match=r"learner.layout = packed.*lfm2 model"):
        train(config(tmp_path, learner={"layout": "packed"}), tmp_path / "run", Told())  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_an_encoder_is_refused_before_anything_is_sampled(tmp_path: Path) -> None:
    folder(tmp_path, "bert")
    with pytest.raises(UserError, match="cannot reproduce this bert model's own log-probabilities"):
        train(config(tmp_path), tmp_path / "run", Told())  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_cap_beyond_a_long_ropes_switch_is_refused_by_plan_train_and_evaluate(tmp_path: Path) -> None:
    rope = {**LONGROPE, "original_max_position_embeddings": 32}
    path = folder(tmp_path, "phi3", rope_parameters=rope, original_max_position_embeddings=32)
    long = {"prompts": 2, "n": 4, "max_new_tokens": 31}
    with pytest.raises(UserError, match="beyond 32 tokens, where this model's rotary embedding"):
        train(config(tmp_path, sampling=long), tmp_path / "run", Told())  # type: ignore[arg-type]
    opened = open_model(path, Facts(torch.device("cpu"), torch.float32, "transformers"))
    with pytest.raises(UserError, match="use --max-new-tokens 20 or less"):
        opened.require_room([tuple(range(12))], 21, "--max-new-tokens ")
    reasons = list(
        check_plan(config(tmp_path, sampling=long), json.loads((path / "config.json").read_text()), prompt=12)
    )
    assert any("beyond 32 tokens" in reason for reason in reasons)


# --- logits that are no numbers


def test_evaluating_a_model_with_damaged_weights_ends_with_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder(tmp_path, "llama")
    model = AutoModelForCausalLM.from_pretrained(path)
    model.model.norm.weight.data[0] = float("nan")
    model.save_pretrained(path)
    task, out = make_task(tmp_path / "task.jsonl", 3), tmp_path / "out"
    asked = ["evaluate", str(path), "--task", str(task), "--template", "question", "--max-new-tokens", "8", "--k", "1"]
    assert main([*asked, "--out", str(out)]) == 3
    assert "not numbers" in capsys.readouterr().err
    assert not list(out.rglob("summary.json"))


def test_logits_that_become_nan_while_sampling_end_the_run() -> None:
    """As after an update that went wrong: the check at load has passed long ago."""
    model = tiny_model("llama", vocab_size=300)
    sampler = TransformersSampler(model, make_tokenizer(), "model")
    model.model.norm.weight.data[0] = float("nan")
    for temperature, n in ((1.0, 2), (0.0, 1)):
        with pytest.raises(RunError, match="not numbers"):
            sampler.generate([Prompt("a", (5, 6))], Sampling(n=n, max_new_tokens=4, temperature=temperature))
