"""KL-Cov: values from plain loops, gradients by differences, and what a step's cut cannot change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tersely.config import LearnerConfig
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.learn.logprobs import token_logprobs
from tersely.learn.losses import LossInputs, find_loss
from tersely.learn.losses.kl_cov import holds, kl_cov_loss
from tersely.learn.parallel import World
from tersely.runs.folder import read_config
from tersely.runs.logs import read_log
from tiny_models import make_model, make_model_folder, make_task
from training import settings as run_settings
from training import train_for_odd_texts


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_loss_and_gradient_by_hand() -> None:
    # Ratios 1.5, .5, 3 (no clip); advantages 2, -1, 1; weights 1/4; the first two held at 2 a nat.
    # -3 + 2 ln 1.5, .5 + 2 ln 2, -3. Gradients: -1.5 * 2 + 2, .5 - 2 (the log-ratio is negative), -3; all times 1/4.
    new = tensor(math.log(1.5), math.log(0.5), math.log(3)).requires_grad_()
    given_ = LossInputs(
        new, torch.zeros(3, dtype=torch.float64), tensor(2, -1, 1), tensor(*[0.25] * 3), 0.2, hold_N=tensor(2, 2, 0)
    )
    found = kl_cov_loss(given_)
    assert found.loss.item() == pytest.approx((-3 + 2 * math.log(1.5) + 0.5 + 2 * math.log(2) - 3) / 4)
    assert found.clipped_N.tolist() == [False] * 3
    found.loss.backward()
    assert new.grad is not None
    np.testing.assert_allclose(new.grad.numpy(), [-0.25, -0.375, -0.75])


def test_gradient_by_differences_with_every_term() -> None:
    generator = torch.Generator().manual_seed(0)
    old, advantages, reference, correction = (
        torch.randn(9, dtype=torch.float64, generator=generator) for _ in range(4)
    )
    hold = tensor(1, 0, 0, 1, 0, 1, 0, 0, 1)

    def loss(new: torch.Tensor) -> torch.Tensor:
        given_ = LossInputs(new, old, advantages, torch.full_like(old, 0.1), 0.2, reference, 0.3, correction.abs())
        return kl_cov_loss(replace(given_, hold_N=hold)).loss

    assert torch.autograd.gradcheck(loss, (old + 0.5).requires_grad_())


def test_at_ratio_one_holding_changes_neither_value_nor_gradient() -> None:
    found = []
    for hold in (None, tensor(5, 5)):
        new = tensor(-1, -2).requires_grad_()
        loss = kl_cov_loss(LossInputs(new, new.detach(), tensor(1, -1), tensor(0.5, 0.5), 0.2, hold_N=hold)).loss
        loss.backward()
        assert new.grad is not None
        found.append((loss.item(), new.grad.tolist()))
    assert found[0] == found[1]


def test_no_token_gives_a_zero_that_is_attached() -> None:
    new = tensor().requires_grad_()
    loss = kl_cov_loss(LossInputs(new, tensor(), tensor(), tensor(), 0.2)).loss
    loss.backward()
    assert loss.item() == 0


# ---- which tokens are held


def by_loops(logprobs: Sequence[float], advantages: Sequence[float], share: float) -> list[int]:
    """An independent route: the largest covariances by sorting, in plain Python."""
    mean_l, mean_a = (math.fsum(values) / len(values) for values in (logprobs, advantages))
    covariances = [(lp - mean_l) * (a - mean_a) for lp, a in zip(logprobs, advantages, strict=True)]
    most = max(1, int(share * len(covariances)))
    return sorted(sorted(range(len(covariances)), key=lambda i: -covariances[i])[:most])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([1, *range(3, 60)]), st.sampled_from([0.002, 0.1, 0.5]), st.integers(1, 6)
)
def test_the_largest_covariances_of_the_whole_step_are_held_however_it_is_cut(
    seed: int, count: int, share: float, pieces: int
) -> None:
    """Of two tokens both have the same covariance but for rounding, and which of them is held says nothing."""
    rng = np.random.default_rng(seed)
    logprobs, advantages = -rng.random(count) * 5, rng.standard_normal(count)
    cut = [torch.from_numpy(part) for part in np.array_split(logprobs, pieces)]
    worth = [torch.from_numpy(part) for part in np.array_split(advantages, pieces)]
    held = torch.cat(holds(cut, worth, share, 1.5, World()))
    assert held.nonzero().flatten().tolist() == by_loops(logprobs.tolist(), advantages.tolist(), share)
    assert set(held.tolist()) <= {0.0, 1.5}


def test_what_costs_entropy_is_held() -> None:
    # Means -2 and 0. A likely token that is rewarded and an unlikely one that is punished: covariances 1.9 and 3;
    # the unlikely one that is rewarded (it raises entropy) has -3.
    held = holds([tensor(-0.1, -5.0, -5.0, -0.1, 0.2)], [tensor(1, 1, -1, -1, 0)], 0.4, 1.0, World())
    assert held[0].tolist() == [1, 0, 1, 0, 0]


def test_degenerate_choices() -> None:
    assert holds([tensor(-1, -2)], [tensor(1, 1)], 0.1, 1.0, World())[0].tolist() == [1, 1]  # all covariances are 0
    assert holds([tensor()], [tensor()], 0.1, 1.0, World())[0].tolist() == []


# ---- in the learner


def rows(count: int, shift: float = 0.1) -> list[TrainingRow]:
    """Sampled by ``make_model(50)``, but for a shift of every log-probability, up and down in turn."""
    rng = np.random.default_rng(0)
    made = [
        TrainingRow(
            tuple(int(t) for t in rng.integers(1, 50, 4)),
            tuple(int(t) for t in rng.integers(1, 50, rng.integers(1, 30))),
            None,
            float(rng.standard_normal()),
            has_signal=True,
        )
        for _ in range(count)
    ]
    with torch.no_grad():
        found = token_logprobs(make_model(50).double(), made, 1.0).logprobs_N.split([row.length for row in made])
    sign = [1.0 if i % 2 else -1.0 for i in range(count)]
    return [
        replace(row, sampled_logprobs_T=own.numpy() + s * shift) for row, own, s in zip(made, found, sign, strict=True)
    ]


def gradients(batch: list[TrainingRow], **over: object) -> list[torch.Tensor]:
    given_ = {"kl_coefficient": 0.0, "old_logprobs": "sampler", "gradient_clip": 1e9, "loss": "kl_cov", **over}
    config = LearnerConfig.model_validate(given_)
    learner = Learner(make_model(50).double(), None, config, temperature=1.0, cap=64)
    learner.update([batch])
    return [learner.optimizer.state[p]["exp_avg"] / (1 - config.betas[0]) for p in learner.model.parameters()]


def test_micro_batches_cannot_change_what_is_held_nor_its_gradient() -> None:
    batch = rows(12)
    found = [gradients(batch, kl_cov_share=0.1, token_budget=budget) for budget in (10_000, 60, 1)]
    for one, other in pairwise(found):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_the_price_reaches_the_weights_and_only_from_what_is_held() -> None:
    batch = rows(12)
    free, held, more = (
        gradients(batch, kl_cov_share=share, kl_cov_coefficient=price)
        for share, price in ((0.1, 1e-12), (0.1, 1.0), (0.1, 2.0))
    )
    # Linear in the price.
    for a, b, c in zip(free, held, more, strict=True):
        torch.testing.assert_close(c - a, 2 * (b - a), rtol=1e-3, atol=1e-6)
    assert any(bool((a - b).abs().max() > 1e-6) for a, b in zip(free, held, strict=True))


def test_the_first_gradient_step_with_the_trainers_own_values_holds_nothing() -> None:
    batch = rows(6)
    config = LearnerConfig(kl_coefficient=0.0, loss="kl_cov", kl_cov_share=0.5, learning_rate=1e-3)
    learner = Learner(make_model(50), None, config, temperature=1.0, cap=64)
    plain = Learner(make_model(50), None, config.model_copy(update={"loss": "ppo_clip"}), temperature=1.0, cap=64)
    found, without = learner.update([batch, batch]), plain.update([batch, batch])
    assert found.losses[0] == without.losses[0]
    assert found.losses[1] != without.losses[1]


def test_bounds_of_a_clip_are_refused_with_it() -> None:
    for bound in ({"clip_high": 0.28}, {"dual_clip": 10.0}):
        with pytest.raises(ValueError, match=f"learner.{next(iter(bound))} bounds the policy's ratio, and .* kl_cov"):
            LearnerConfig.model_validate({"loss": "kl_cov", **bound})


@pytest.mark.slow
def test_a_run_trains_by_it_and_a_default_run_has_no_key_of_it(tmp_path: Path) -> None:
    assert find_loss("kl_cov") is kl_cov_loss
    make_model_folder(tmp_path / "model")
    make_task(tmp_path / "task.jsonl")
    for name, learner in (("plain", {}), ("held", {"loss": "kl_cov", "kl_cov_share": 0.1})):
        train_for_odd_texts(run_settings(tmp_path, learner=learner, run={"steps": 2}), tmp_path / name)
    plain, held = (read_log(tmp_path / name / "journal.jsonl") for name in ("plain", "held"))
    assert plain[0]["loss"] != held[0]["loss"]
    assert held[1]["clip_fraction"] == 0
    assert read_config(tmp_path / "held")["learner"]["kl_cov_share"] == 0.1
    assert not [key for key in read_config(tmp_path / "plain")["learner"] if key.startswith("kl_cov")]
