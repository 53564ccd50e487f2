"""An engine that is not ours is compared with the model's own forward before its first response counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from run_files import content_of
from tersely.cli import main
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.run import evaluate
from tersely.learn.loop import train
from tersely.models.agreement import MODEL_CHECK, Truth
from tersely.records import Rollout
from tersely.samplers import EngineSpec, Prompt, SamplerRequest, Sampling
from tersely.samplers.engine_check import check_engine
from tersely.samplers.transformers import TransformersSampler
from tersely.samplers.weights import cast_copy
from tiny_architectures import tiny_model
from tiny_models import make_model_folder, make_task, make_tokenizer
from training import QUIET

CLOSED: list[str] = []


class Foreign:
    """An engine with a copy of the weights of its own, which it may scale, and log-probabilities that it may keep."""

    def __init__(self, request: SamplerRequest, scale: float = 1.0, silent: bool = False) -> None:
        self.scale, self.silent = scale, silent
        self.own = TransformersSampler(self._copy(request.model), request.tokenizer)

    def _copy(self, model: Any) -> Any:
        copy = cast_copy(model, torch.float32)
        with torch.no_grad():
            copy.get_input_embeddings().weight.mul_(self.scale)
            copy.model.layers[0].mlp.down_proj.weight.mul_(self.scale)
        return copy

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, *more: Any) -> list[Rollout]:
        drawn = self.own.generate(prompts, sampling, *more)
        return [replace(rollout, logprobs=None) for rollout in drawn] if self.silent else drawn

    def load_weights(self, model: Any, version: int) -> None:
        self.own.load_weights(self._copy(model), version)

    def close(self) -> None:
        CLOSED.append("closed")


RIGHT = EngineSpec(lambda request: Foreign(request))
WRONG = EngineSpec(lambda request: Foreign(request, scale=3.0))
SILENT = EngineSpec(lambda request: Foreign(request, silent=True))


def own(name: str) -> str:
    return f"{__name__}:{name}"


def measured(root: Path, engine: str) -> Path:
    model, task = make_model_folder(root / "model"), make_task(root / "task.jsonl", 4)
    protocol = EvalProtocol(task=str(task), size=None, k=2, max_new_tokens=8)
    return evaluate(model, protocol, root / "out", QUIET, command="", engine=own(engine))


def configured(root: Path, engine: str) -> TrainConfig:
    run = {"steps": 1, "checkpoint_every": 1, "probe": False, "dtype": "float32", "device": "cpu"}
    return TrainConfig(
        model=str(make_model_folder(root / "model")),
        task=str(make_task(root / "task.jsonl", 6)),
        template="question",
        sampling={"prompts": 2, "n": 2, "max_new_tokens": 8, "engine": own(engine)},
        run=run,
    )


def test_an_evaluation_records_what_the_engine_was_off_by(tmp_path: Path) -> None:
    found = content_of(measured(tmp_path, "RIGHT") / MODEL_CHECK)
    assert set(found) == {"tokenizer", "engine"}
    assert found["engine"]["tried"][0]["path"] == own("RIGHT")
    assert found["engine"]["tried"][0]["gap"] < 1e-4


def test_an_engine_with_other_weights_is_refused_before_a_folder_is_made_and_gives_back_what_it_holds(
    tmp_path: Path,
) -> None:
    CLOSED.clear()
    with pytest.raises(UserError, match=r"does not sample from this .* model .*is off by .* nats.*--engine transfo"):
        measured(tmp_path, "WRONG")
    assert CLOSED == ["closed"]
    assert not (tmp_path / "out").exists()


def test_an_engine_without_log_probabilities_is_said_not_to_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, task = make_model_folder(tmp_path / "model"), make_task(tmp_path / "task.jsonl", 4)
    words = ["evaluate", str(model), "--task", str(task), "--k", "2", "--max-new-tokens", "8"]
    code = main([*words, "--engine", own("SILENT"), "--out", str(tmp_path / "out")])
    told = " ".join("".join(capsys.readouterr()).split())
    assert code == 0, told
    assert "is not compared with the model's own forward: it gives no log-probabilities" in told
    (kept,) = (tmp_path / "out").rglob(MODEL_CHECK)
    assert content_of(kept)["engine"]["tried"][0]["gap"] is None


def test_training_compares_the_engine_it_samples_with(tmp_path: Path) -> None:
    train(configured(tmp_path, "RIGHT"), tmp_path / "run", QUIET)
    found = content_of(tmp_path / "run" / MODEL_CHECK)
    assert set(found) == {"tokenizer", "engine", "output head", "layout"}
    assert found["engine"]["tried"][0]["gap"] < 1e-4


def test_training_on_an_engine_with_other_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not sample from this"):
        train(configured(tmp_path, "WRONG"), tmp_path / "run", QUIET)


def test_a_smaller_type_may_differ_by_its_rounding_and_no_more() -> None:
    model = cast_copy(tiny_model("llama", vocab_size=300), torch.bfloat16)
    tokenizer = make_tokenizer()
    model.generation_config.eos_token_id = [tokenizer.eos_token_id]
    truth = Truth(model)
    found = check_engine("ours", TransformersSampler(model, tokenizer), truth)
    assert found.gap <= found.bound
    other = tiny_model("llama", seed=1, vocab_size=300)
    other.generation_config.eos_token_id = [tokenizer.eos_token_id]
    with pytest.raises(UserError, match="the engine ours does not sample from this llama model"):
        check_engine("ours", TransformersSampler(other, tokenizer), truth)
