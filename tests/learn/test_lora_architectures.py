"""LoRA on architectures whose layers are not all linear: what is sampled and saved is what is trained, or a refusal."""

from __future__ import annotations

import re

import pytest
import torch

from tersely.config import LearnerConfig, LoraConfig
from tersely.errors import UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.logprobs import token_logprobs
from tersely.learn.lora_check import check_adapter
from tersely.models.agreement import CONTINUED, FP32_BOUND, probe_rows
from tiny_architectures import VOCABULARY, tiny_model

pytest.importorskip("peft")
RANK = LoraConfig(rank=4)


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "falcon", "llama"])
def test_the_merged_model_is_the_trained_one_where_experts_and_routers_are_adapted(kind: str) -> None:
    model = tiny_model(kind)
    rows = [TrainingRow(r[:-CONTINUED], r[-CONTINUED:], None, 1.0, True) for r in probe_rows(VOCABULARY)]
    learner = Learner(model, None, LearnerConfig(learning_rate=1e-2, warmup_steps=0, lora=RANK), 1.0, 32, seed=5)
    learner.update([rows, rows])
    with torch.no_grad():
        trained = token_logprobs(learner.model, rows, 1.0).logprobs_N
        served = token_logprobs(learner.served_model(), rows, 1.0).logprobs_N
    assert float((trained - served).abs().max()) < FP32_BOUND


@pytest.mark.parametrize("kind", ["llama", "mixtral", "gpt2"])
def test_the_check_leaves_the_model_as_it_was(kind: str) -> None:
    model = tiny_model(kind)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    random = torch.get_rng_state()
    check_adapter(model, RANK, 1)
    assert torch.equal(random, torch.get_rng_state())
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("mamba", "peft cannot adapt this mamba model"),
        ("llama4_text", "this llama4_text model .with adapters it fails"),
    ],
)
def test_layers_that_cannot_be_adapted_are_one_sentence_whose_cure_works(kind: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        check_adapter(tiny_model(kind), RANK, 1)
    found = re.search(r"learner\.lora\.targets=(\S+),", str(refused.value))
    assert found is not None
    check_adapter(tiny_model(kind), LoraConfig(rank=4, targets=found[1]), 1)


def test_adapters_of_whole_experts_are_refused_for_several_processes_and_the_cure_works() -> None:
    with pytest.raises(UserError, match="adapters of whole experts are not trained by several processes") as refused:
        check_adapter(tiny_model("mixtral"), RANK, 2)
    found = re.search(r"learner\.lora\.targets=(\S+),", str(refused.value))
    assert found is not None
    check_adapter(tiny_model("mixtral"), LoraConfig(rank=4, targets=found[1]), 2)


def test_adapters_that_are_merged_into_something_else_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tersely.learn.lora.Adapter.merge", lambda self: self.merged)
    with pytest.raises(UserError, match="merged adapters are off by"):
        check_adapter(tiny_model("llama"), RANK, 1)
