"""Baselines train on the model's own log-probabilities, and go on only while the model is asked the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from graders import ParityJudge
from run_files import content_of
from tersely import cli
from tersely.baselines.distill import _that_fit
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.baselines.trainee_check import check_trainee
from tersely.baselines.trainers import Example
from tersely.display import PlainDisplay
from tersely.errors import RunError, UserError
from tersely.models.agreement import FP32_BOUND, MODEL_CHECK
from tersely.records import Problem, Status, Verdict
from tersely.runs.folder import read_config, read_log
from tiny_architectures import save_tiny, tiny_model
from tiny_models import make_task


class AllRight(ParityJudge):
    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [Verdict(Status.CORRECT, "x", "test") for _ in pairs]


def folder_of(architecture: str, root: Path) -> Path:
    save_tiny(root / "model", architecture)
    make_task(root / "task.jsonl", 4)
    return root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A granite model (a scale behind its head) and samples of it, of which odd texts are right."""
    folder_of("granite", tmp_path)
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)
    given = {"model": str(tmp_path / "model"), "task": str(tmp_path / "task.jsonl"), "template": "question"}
    run = {"threads": 1, "device": "cpu", "judge_workers": 1}
    asked = resolve_samples({**given, "sampling": {"n": 4, "max_new_tokens": 20}, "run": run})
    draw_samples(asked, tmp_path / "samples", PlainDisplay("test"))
    return tmp_path


def prune(root: Path, *more: str) -> int:
    words = ["baseline", "o1-pruner", "--learning-rate", "1e-3", "--out", str(root / "run"), *more]
    return cli.main([*words, "--set", "tuning.batch=8", "--set", "run.threads=1"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_trl_is_used_where_it_computes_the_models_own_and_refused_elsewhere(method: str) -> None:
    for architecture in ("llama", "granite", "hyperclovax", "gemma2", "gemma4", "mamba"):
        model = tiny_model(architecture)
        found = check_trainee(method, model, torch.float32)[0]
        assert found.gap < FP32_BOUND
        assert "forward" not in vars(model)
    # A head of several layers, a soft cap under another name, a base that gives logits.
    for architecture in ("modernbert-decoder", "recurrent_gemma", "llama4_text"):
        with pytest.raises(
            UserError, match=rf"scorer of TRL cannot reproduce this {architecture} model's own.*tersely"
        ):
            check_trainee(method, tiny_model(architecture), torch.float32)


def test_a_model_whose_logits_are_no_numbers_is_not_trained() -> None:
    model = tiny_model("llama")
    model.model.norm.weight.data[0] = float("nan")
    with pytest.raises(RunError, match="not numbers"):
        check_trainee("o1-pruner", model, torch.float32)


def test_o1_pruner_learns_through_the_models_own_head(root: Path) -> None:
    """Through the output layer alone half of the ratios to the sampling policy were clipped in the first step."""
    assert prune(root, "--samples", str(root / "samples")) == 0
    found = content_of(root / "run" / MODEL_CHECK)
    assert found["output head"]["chosen"] == "forward"
    assert set(found) - {"check"} == {"tokenizer", "output head", "layout"}
    assert read_log(root / "run" / "journal.jsonl")[1]["clip_fraction"] == 0


@pytest.mark.slow
def test_what_trl_would_compute_wrongly_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder_of("modernbert-decoder", tmp_path)
    given = ["--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--template", "question"]
    given += ["--set", "sampling.max_new_tokens=24"]
    assert cli.main(["baseline", "sft", *given, "--learning-rate", "1e-3", "--out", str(root / "run")]) == 2
    assert "the scorer of TRL cannot reproduce this modernbert-decoder" in capsys.readouterr().err
    assert not (root / "run").exists()


def edited_template(model: Path) -> None:
    path = model / "chat_template.jinja"
    path.write_text(path.read_text() + "{# another hand was here #}")


def edited_ends(model: Path) -> None:
    path = model / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": 1}))


@pytest.mark.parametrize(
    ("change", "name"),
    [(edited_template, "chat_template_sha256"), pytest.param(edited_ends, "end_ids", marks=pytest.mark.slow)],
)
def test_a_baseline_goes_on_only_while_its_model_is_asked_the_same(
    change: Callable[[Path], None], name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--template", "question"]
    own = [*given, "--set", "sampling.n=4", "--set", "sampling.max_new_tokens=20"]
    assert prune(root, *own) == 0
    assert {"chat_template_sha256", "end_ids", "prompts_sha256"} <= set(read_config(root / "run"))
    assert prune(root, *own) == 0  # finished: nothing to do
    change(root / "model")
    capsys.readouterr()
    assert prune(root, *own) == 2
    assert f"made with another configuration: {name} was" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "name"), [(edited_template, "chat_template_sha256"), (edited_ends, "end_ids")])
def test_samples_of_a_model_that_was_asked_otherwise_are_refused(
    change: Callable[[Path], None], name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(root / "model")
    assert prune(root, "--samples", str(root / "samples")) == 2
    assert f"were drawn with another {name} than the model has now" in capsys.readouterr().err
    assert not (root / "run").exists()


@pytest.mark.slow
def test_distillation_goes_on_only_while_its_student_is_asked_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tersely.baselines.trainee.tune", lambda *_, **__: 1)
    monkeypatch.setattr("tersely.baselines.distill.Judge", AllRight)
    rows = [{"problem": f"What is {i}?", "answer": str(i), "response": str(i)} for i in range(4)]
    (root / "demo.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["distill", "--student", str(root / "model"), "--demonstrations", str(root / "demo.jsonl")]
    words += ["--template", "question", "--learning-rate", "1e-3", "--out", str(root / "run")]
    assert cli.main(words) == 0
    assert {"chat_template_sha256", "end_ids", "prompts_sha256"} <= set(read_config(root / "run"))
    assert "scorer of TRL" in content_of(root / "run" / MODEL_CHECK)
    edited_template(root / "model")
    capsys.readouterr()
    assert cli.main(words) == 2
    assert "made with another configuration: chat_template_sha256 was" in capsys.readouterr().err


def test_a_demonstration_beyond_the_switch_of_a_long_rope_is_left_out(tmp_path: Path) -> None:
    """There a row's log-probabilities would depend on the rows beside it."""
    config = {"max_position_embeddings": 256, "rope_scaling": {"type": "su"}, "original_max_position_embeddings": 12}
    (tmp_path / "config.json").write_text(json.dumps(config))
    short, long = Example((1,) * 6, (2,) * 6), Example((1,) * 6, (2,) * 7)
    assert _that_fit([short, long], SimpleNamespace(folder=tmp_path), PlainDisplay("test")) == [short]  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["sft", "dpo", "o1-pruner"])
def test_no_baseline_is_trained_in_a_type_that_changes_the_model(method: str) -> None:
    with pytest.raises(UserError, match=r"bfloat16 is off by .* nats .*run.dtype=float32"):
        check_trainee(method, tiny_model("kimi_linear"), torch.bfloat16)
