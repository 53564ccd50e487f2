"""Adam with 8-bit moments on split masters: against torch's Adam, and saved and taken up again to the bit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tersely.config import LearnerConfig
from tersely.errors import UserError
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.optimizer import LOW, Adam8bit, clip_gradients, join, require_installed, split
from tersely.learn.state import load_training_state, save_training_state
from tersely.models.load import load_model
from tiny_models import make_model, make_tokenizer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is not installed")

VOCABULARY = 272
"""The embedding then has 272 x 32 = 34 x 256 values: it is quantised. The smaller weights of this model are not."""
CPU = torch.device("cpu")


def rows(count: int, seed: int = 0) -> list[TrainingRow]:
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        prompt, tokens = (tuple(rng.integers(1, VOCABULARY, n).tolist()) for n in (3, int(rng.integers(1, 30))))
        made.append(TrainingRow(prompt, tokens, None, (-1) ** i * 0.5, True))
    return made


def learner(dtype: torch.dtype, model: Any = None, **over: Any) -> Learner:
    settings: dict[str, Any] = {
        "optimizer": "adam8bit",
        "learning_rate": 1e-3,
        "warmup_steps": 0,
        "kl_coefficient": 0.0,
    }
    config = LearnerConfig(**{**settings, **over})
    return Learner(model or make_model(VOCABULARY), None, config, temperature=1.0, cap=64, dtype=dtype)


def has_separate_masters(made: Learner) -> list[torch.Tensor]:
    """fp32 weights, whichever way they are held."""
    states = [(p.data, made.optimizer.state[p]) for p in made.model.parameters()]
    return [join(p, state[LOW]) if LOW in state else p.clone() for p, state in states]


@given(
    st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100),
        min_size=1,
    )
)
def test_a_split_master_is_whole_again_to_the_bit_and_its_upper_half_is_the_nearest(values: list[float]) -> None:
    master = torch.tensor(values)
    high, low = split(master)
    assert (high.dtype, low.dtype) == (torch.bfloat16, torch.int16)
    assert torch.equal(join(high, low).view(torch.int32), master.view(torch.int32))
    ours, torchs = ((some.double() - master.double()).abs() for some in (high, master.bfloat16()))
    assert torch.equal(ours, torchs)


def adam_by_hand(weight: float, gradients: list[float], rate: float, betas: tuple[float, float], eps: float) -> float:
    """Kingma and Ba 2015, algorithm 1, in Python's floats."""
    m = v = 0.0
    for t, gradient in enumerate(gradients, 1):
        m = betas[0] * m + (1 - betas[0]) * gradient
        v = betas[1] * v + (1 - betas[1]) * gradient**2
        weight -= rate * (m / (1 - betas[0] ** t)) / ((v / (1 - betas[1] ** t)) ** 0.5 + eps)
    return weight


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_are_adam_s_without_weight_decay_on_the_whole_master(dtype: torch.dtype) -> None:
    """A weight of 1 moves by 1e-5 a step, far under bfloat16's 4e-3: only the lower half can hold it. Blocks of 256
    equal values are quantised without loss, since a block's largest value is exact."""
    layer = torch.nn.Linear(64, 64, bias=False)
    torch.nn.init.ones_(layer.weight)
    optimizer = Adam8bit(layer, 1e-5, (0.9, 0.95), 1e-8, dtype)
    gradients = [0.5, 0.25, 2.0]
    for gradient in gradients:
        optimizer.zero_grad()
        # Two micro-batches; the sum of their gradients counts.
        for share in (0.25, 0.75):
            (layer.weight.float().sum() * gradient * share).backward()
        optimizer.step()
    state = optimizer.state[layer.weight]
    assert type(state["exp_avg"]).__name__ == "OptimState8bit"
    found = join(layer.weight.data, state[LOW]) if LOW in state else layer.weight
    assert (LOW in state) == (dtype == torch.bfloat16)
    expected = adam_by_hand(1.0, gradients, 1e-5, (0.9, 0.95), 1e-8)
    torch.testing.assert_close(found, torch.full_like(found, expected), rtol=0, atol=2e-7)


def test_micro_batches_of_bfloat16_weights_add_up_in_fp32() -> None:
    layer = torch.nn.Linear(4, 1, bias=False)
    optimizer = Adam8bit(layer, 1e-3, (0.9, 0.95), 1e-8, torch.bfloat16)
    for size in [1.0] + [2**-9] * 64:  # each of the small ones alone is lost beside 1 in bfloat16
        (layer.weight.sum() * size).backward()
    assert layer.weight.grad is None
    (total,) = optimizer.gradients().values()
    assert total.tolist() == [[1.125] * 4]
    optimizer.zero_grad()
    assert optimizer.gradients() == {}


def test_gradients_are_clipped_as_torch_clips_them() -> None:
    norms, clipped = [], []
    for made in (torch.optim.Adam, None):
        torch.manual_seed(0)
        layer = torch.nn.Linear(8, 8)
        optimizer = made(layer.parameters()) if made else Adam8bit(layer, 1e-3, (0.9, 0.95), 1e-8, torch.float32)
        layer(torch.ones(8)).square().sum().backward()
        norms.append(clip_gradients(optimizer, 0.5))
        clipped.append([p.grad for p in layer.parameters()])
    assert norms[0] == norms[1] > 0.5
    torch.testing.assert_close(clipped[0], clipped[1], rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_and_taken_up_it_goes_on_with_the_same_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    whole = learner(dtype)
    whole.update([rows(6), rows(6, 1)])
    save_training_state(tmp_path, whole.model, make_tokenizer(), whole.optimizer, dtype)
    whole.update([rows(6, 2)])

    model = load_model(tmp_path, CPU, torch.float32)
    again = learner(dtype, model)
    load_training_state(tmp_path, model, again.optimizer)
    again.optimizer_steps = 2
    again.update([rows(6, 2)])
    assert (again.model.dtype, len(again.optimizer.state)) == (dtype, len(list(model.parameters())))
    for one, other in zip(has_separate_masters(whole), has_separate_masters(again), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_training_stays_close_to_adam_with_fp32_moments() -> None:
    """Ten steps at a rate of 1e-3 move weights by up to 1e-2; 8-bit moments change that by a few per cent of it."""
    found = []
    for over in ({"optimizer": "adam"}, {}):
        made = learner(torch.float32, **over, adam_epsilon=1e-4)
        start = [p.clone() for p in made.model.parameters()]
        for seed in range(10):
            made.update([rows(6, seed)])
        found.append(
            torch.cat([(p - s).flatten() for p, s in zip(made.model.parameters(), start, strict=True)]).detach()
        )
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 0.1
    assert float(found[0].abs().max()) > 3e-3


def test_the_policy_in_bfloat16_is_the_one_that_is_sampled_from() -> None:
    made = learner(torch.bfloat16)
    assert made.served_model() is made.model
    assert {p.dtype for p in made.model.parameters()} == {torch.bfloat16}
    assert {b.dtype for n, b in made.model.named_buffers() if "inv_freq" in n} == {torch.float32}
    made.update([rows(6)])
    assert {p.dtype for p in made.model.parameters()} == {torch.bfloat16}


def test_without_torchao_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    with pytest.raises(UserError, match=r"pip install .*\[lean\]'"):
        require_installed("adam8bit")
    require_installed("adam")
