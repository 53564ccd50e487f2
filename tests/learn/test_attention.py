"""Attention within packed sequences, and when it is switched on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tersely.config import LearnerConfig
from tersely.learn.attention import (
    VARLEN,
    attention_of_update,
    bounds,
    flash,
    one_by_one,
    packs,
    switched,
    varlen_kernel,
)
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.logprobs import token_logprobs
from tiny_models import make_model


def make_rows(count: int, seed: int = 0) -> list[TrainingRow]:
    rng = np.random.default_rng(seed)
    return [
        TrainingRow(
            tuple(rng.integers(1, 50, 3).tolist()),
            tuple(rng.integers(1, 50, n).tolist()),
            -rng.random(n),
            float(rng.normal()),
            True,
        )
        for n in rng.integers(1, 30, count)
    ]


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_varlen_logprobs_are_those_of_padded_rows(kind: str) -> None:
    model, rows = make_model(50, kind), make_rows(7)
    with torch.no_grad():
        padded = token_logprobs(model, rows, 1.0)
        with switched([model], VARLEN):
            packed = token_logprobs(model, rows, 1.0, packed=True)
    torch.testing.assert_close(packed.logprobs_N, padded.logprobs_N, rtol=0, atol=1e-5)


def test_varlen_under_autocast_computes_in_16_bits() -> None:
    model, rows = make_model(50), make_rows(5)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), switched([model], VARLEN):
        half = token_logprobs(model, rows, 1.0, packed=True).logprobs_N
    with torch.no_grad():
        full = token_logprobs(model, rows, 1.0).logprobs_N
    assert 1e-5 < (half - full).abs().max() < 0.2


def test_one_sequence_never_sees_another() -> None:
    """Changing what the others hold leaves the second of three sequences bit for bit as it was."""
    torch.manual_seed(0)
    first, changed = torch.randn(2, 1, 6, 12, 8)
    changed[:, :, 4:9] = first[:, :, 4:9]
    ends = bounds([4, 5, 3], torch.device("cpu"))["cu_seq_lens_q"]
    one, other = (one_by_one(x, x[:, :2], x[:, :2], ends, None) for x in (first, changed))
    assert torch.equal(one[:, 4:9], other[:, 4:9])
    assert not torch.equal(one[:, :4], other[:, :4])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_packed_update_is_the_padded_one_also_when_activations_are_computed_again(checkpointing: bool) -> None:
    """The backward pass of a checkpointed model runs its forward again: under the same attention, or the gradients
    would silently be others."""
    found = []
    for layout in ("padded", "packed"):
        model = make_model(50).double()
        config = LearnerConfig(
            kl_in="loss", kl_coefficient=0.1, token_budget=90, layout=layout, gradient_checkpointing=checkpointing
        )
        learner = Learner(model, make_model(50, seed=1).double(), config, temperature=1.0, cap=64)
        assert (learner.attention == VARLEN) == (layout == "packed")
        learner.update([make_rows(6), make_rows(6, seed=1)])
        assert model.config._attn_implementation == "sdpa"
        found.append([learner.optimizer.state[p]["exp_avg"] for p in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_attention_comes_back_after_an_error() -> None:
    model = make_model(50)
    with pytest.raises(ZeroDivisionError), switched([model], VARLEN):
        raise ZeroDivisionError
    assert model.config._attn_implementation == "sdpa"


def test_sequences_without_bounds_are_refused() -> None:
    model = make_model(50)
    with pytest.raises(TypeError, match="cu_seq_lens_q"), switched([model], VARLEN):
        model(torch.ones(1, 4, dtype=torch.long))


def on_gpu(**config: object) -> SimpleNamespace:
    """What ``attention_of_update`` looks at, of a model on a GPU."""
    known = {"_attn_implementation": "sdpa", "model_type": "qwen2", "layer_types": ["full_attention"]}
    return SimpleNamespace(config=SimpleNamespace(**{**known, **config}), device=torch.device("cuda"))


def test_a_gpu_in_16_bits_packs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("is_flash_attn_2_available", "is_flash_attn_3_available"):
        monkeypatch.setattr(f"tersely.learn.attention.{name}", lambda: False)
    name = attention_of_update(on_gpu(), "auto", torch.bfloat16)
    assert name == VARLEN
    assert packs(name, "auto")
    for model, layout, dtype in (
        (on_gpu(), "padded", torch.bfloat16),
        (on_gpu(), "auto", torch.float32),
        (on_gpu(layer_types=["sliding_attention"]), "auto", torch.bfloat16),
        (on_gpu(model_type="mistral", layer_types=None, sliding_window=4096), "auto", torch.bfloat16),
        (on_gpu(model_type="gemma2"), "auto", torch.bfloat16),
        (make_model(50), "auto", torch.bfloat16),
    ):
        name = attention_of_update(model, layout, dtype)
        assert name == "sdpa"
        assert not packs(name, layout)


def test_flash_attention_is_taken_where_it_is_installed_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("is_flash_attn_2_available", "is_flash_attn_3_available"):
        monkeypatch.setattr(f"tersely.learn.attention.{name}", lambda: True)

    def refuse_3(name: str) -> None:
        if name == "flash_attention_3":
            raise ImportError(name)

    model = on_gpu()
    model.set_attn_implementation = refuse_3
    assert attention_of_update(model, "auto", torch.bfloat16) == "flash_attention_2"


@pytest.mark.parametrize("grouped", [False, True])
def test_torch_takes_our_call_of_its_kernel(grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device: names of arguments, heads and shapes are checked, nothing is computed."""
    if not grouped:
        kernel, _ = varlen_kernel()
        monkeypatch.setattr("tersely.learn.attention.varlen_kernel", lambda: (kernel, False))
    query, key = torch.empty(12, 6, 8, device="meta"), torch.empty(12, 2, 8, device="meta")
    ends = torch.empty(4, dtype=torch.int32, device="meta")
    assert flash(query, key, key, ends, 5, 0.3).shape == (12, 6, 8)
