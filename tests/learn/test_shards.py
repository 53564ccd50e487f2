"""Weights that are dealt out to processes: the same model in shares, whoever held it whole before.

The group here is this process alone: its shares are what they are among many, only larger (two processes are
test_parallel.py's).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tersely.errors import UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.logprobs import Scorer
from tersely.learn.parallel import World
from tersely.learn.placing import Place, layers_of, whole_frame
from tersely.learn.shards import deal, gather_into, gathered_state, let_go, shard
from tersely.models.load import load_model
from tersely.models.shares import is_share
from tersely.models.skeleton import beside_weights, described, skeleton, without_weights
from tiny_architectures import save_tiny, tiny_model

CPU = torch.device("cpu")
ROWS = [TrainingRow((60, 61, 75), (90, 64, 70, 71), None, 1.0, True), TrainingRow((62,), (91, 65), None, -1.0, True)]
ARCHITECTURES = ("llama", "gpt2", "cohere", "gemma2", "mixtral", "lfm2")
"""With torch's own LayerNorm, a scale behind the head, scaled embeddings, experts, convolutions."""


def half(model: Any) -> Any:
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


def in_shares(model: Any, setting: str = "zero3", computed: torch.dtype | None = None, **over: Any) -> Scorer:
    scorer = Scorer(without_weights(model, over.pop("dtype", model.dtype)))
    if computed:
        scorer.model.get_input_embeddings().register_forward_hook(lambda *call: call[2].float())
    shard(scorer, layers_of(model), setting, World(), CPU, computed, **over)
    deal(scorer.model, model, World(), CPU)
    return scorer


def scored(scorer: Scorer, autocast: bool = False) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        return scorer(ROWS, 1.0, False).logprobs_N


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("tied", [False, True])
def test_a_model_in_shares_computes_what_the_whole_one_does(architecture: str, tied: bool) -> None:
    model = tiny_model(architecture, tie_word_embeddings=tied)
    scorer = in_shares(model)
    assert all(map(is_share, scorer.model.parameters()))
    assert len(list(scorer.model.parameters())) == len(list(model.parameters()))
    found, wanted = scored(scorer), scored(Scorer(model))
    assert torch.equal(found, wanted)
    found.sum().backward()
    wanted.sum().backward()
    for own, given in zip(scorer.model.parameters(), model.parameters(), strict=True):
        assert (own.grad is None) == (given.grad is None)
        if given.grad is not None:
            torch.testing.assert_close(own.grad.full_tensor(), given.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gpt2", "cohere"])
def test_weights_gathered_in_bfloat16_give_what_autocast_gives(architecture: str) -> None:
    """Bit for bit where bfloat16 holds the weights; between products the stream stays in fp32."""
    model = half(tiny_model(architecture))
    scorer = in_shares(model, computed=torch.bfloat16)
    found, wanted = scored(scorer, autocast=True), scored(Scorer(model), autocast=True)
    assert torch.equal(found, wanted)
    found.sum().backward()
    wanted.sum().backward()
    for own, given in zip(scorer.model.parameters(), model.parameters(), strict=True):
        assert own.grad is not None
        assert given.grad is not None
        assert own.grad.dtype == torch.float32
        # Each is rounded to bfloat16 once or twice on its way.
        scale = float(given.grad.abs().max())
        torch.testing.assert_close(own.grad.full_tensor(), given.grad, rtol=0.02, atol=0.02 * scale)


@pytest.mark.usefixtures("group")
def test_nothing_stays_gathered_of_a_model_that_does_not_train() -> None:
    model = tiny_model("llama")
    frozen = in_shares(model, trains=False, dtype=torch.bfloat16)
    with torch.no_grad():
        scored(frozen)
    assert all(map(is_share, frozen.model.parameters()))
    trained = in_shares(model, "zero2")
    with torch.no_grad():
        scored(trained)
    assert not any(map(is_share, trained.model.parameters()))
    let_go(trained)
    assert all(map(is_share, trained.model.parameters()))


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("tied", [False, True])
def test_what_is_gathered_is_the_whole_again(tied: bool) -> None:
    model = tiny_model("llama", tie_word_embeddings=tied)
    scorer = in_shares(model)
    copy = whole_frame(model, scorer.model, Place(torch.bfloat16, CPU, World()))
    gather_into(copy, scorer.model)
    for own, given in zip(copy.parameters(), model.parameters(), strict=True):
        assert torch.equal(own, given.bfloat16())
    state = gathered_state(scorer.model, None, keep=True)
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name], tensor)
    assert (state["lm_head.weight"] is state["model.embed_tokens.weight"]) == tied
    assert gathered_state(scorer.model, None, keep=False) == {}


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "qwen3", "mamba", "gemma3_text", "deepseek_v3"])
def test_a_frame_has_the_tensors_of_the_model_and_none_of_their_memory(architecture: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, architecture)
    before = torch.get_rng_state()
    frame = skeleton(folder, torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    model = load_model(folder, CPU, torch.float32)
    assert described(frame) == described(model)
    assert all(tensor.is_meta for tensor in [*frame.parameters(), *(t for _, _, t in beside_weights(frame))])
    assert frame.generation_config.eos_token_id == model.generation_config.eos_token_id
    assert frame.config._attn_implementation == model.config._attn_implementation


def test_processes_that_hold_different_models_end_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = tiny_model("llama"), tiny_model("llama", tie_word_embeddings=True)
    monkeypatch.setattr(World, "all_gather", lambda _self, record: [record, described(other)])
    with pytest.raises(UserError, match=r"cannot be shared out among processes: train it in one process"):
        deal(model, model, World(0, 2), CPU)
