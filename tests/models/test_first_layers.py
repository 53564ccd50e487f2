"""Where no process holds the whole model, its first two layers are checked in their own weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from tersely.config import TrainConfig
from tersely.errors import RunError, UserError
from tersely.facts import Facts
from tersely.learn.scorer_check import BaseCheck, check_base
from tersely.models.agreement import FP32_BOUND, own_logprobs
from tersely.models.first_layers import first_layers, holds_whole
from tiny_architectures import tiny_model

DEEP = {"num_hidden_layers": 4}


def shared_out(model: Any) -> Any:
    mesh = init_device_mesh("cpu", (1,))
    for layer in model.base_model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def checked(model: Any) -> BaseCheck:
    config = TrainConfig(model="m", task="arithmetic")
    return check_base(model, config, Facts(torch.device("cpu"), torch.float32, "transformers"))


@pytest.mark.parametrize("architecture", ["llama", "cohere", "mamba", "gemma2"])
def test_the_first_layers_are_the_models_own(architecture: str) -> None:
    whole = tiny_model(architecture, **({} if architecture == "gemma2" else DEEP))
    before = torch.get_rng_state()
    short = first_layers(whole)
    assert torch.equal(torch.get_rng_state(), before)
    del whole.base_model.layers[2:]
    whole.base_model.config.num_hidden_layers = 2
    row = [(60, 61, 75, 90, 64)]
    assert torch.equal(own_logprobs(short, row), own_logprobs(whole, row))


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(("architecture", "head"), [("llama", "weights"), ("cohere", "forward")])
def test_a_model_that_is_shared_out_is_checked_by_its_first_layers(architecture: str, head: str) -> None:
    model = shared_out(tiny_model(architecture, **DEEP))
    assert not holds_whole(model)
    found = checked(model)
    assert found.head.chosen == head
    assert found.decoder is not None
    assert max(found.decoder.gap, found.head.gap, found.layout.gap) < FP32_BOUND


@pytest.mark.usefixtures("group")
def test_damage_in_the_first_layers_is_seen_though_the_weights_are_shares() -> None:
    model = tiny_model("llama", **DEEP)
    model.model.layers[1].mlp.down_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(RunError, match="not numbers"):
        checked(shared_out(model))


def test_an_architecture_that_cannot_be_had_with_few_layers_is_refused_in_a_sentence() -> None:
    model = tiny_model("llama", **DEEP)
    model.config.hidden_size = 64  # what is built from it has other shapes
    with pytest.raises(UserError, match=r"no process holds the whole of this llama model.*is another one there"):
        first_layers(model)
