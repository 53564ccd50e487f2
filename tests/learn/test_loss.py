"""The policy loss and the learner's bookkeeping: equations by hand, and invariance to how a step is cut."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tersely.config import LearnerConfig
from tersely.errors import RunError
from tersely.learn.batch import TrainingRow, micro_batches, split_updates, token_weights, weigh
from tersely.learn.heads import OutputLayer, head_logprobs
from tersely.learn.learner import Learner
from tersely.learn.logprobs import token_logprobs
from tersely.learn.losses import LossInputs, policy_loss
from tersely.learn.losses.kl import kl_k3, kl_to_go, truncated_importance
from tiny_models import make_model


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_policy_loss_by_hand() -> None:
    # Ratios 1, 1.5, 0.5, 1.5; advantages 2, 2, -1, -1; clip 0.2; weights 1/4 each.
    # min(rA, clip(r)A): 2; min(3, 2.4) = 2.4; min(-.5, -.8) = -.8; min(-1.5, -1.2) = -1.5. Loss = -(2.1)/4.
    new = tensor(0.0, math.log(1.5), math.log(0.5), math.log(1.5))
    found = policy_loss(
        LossInputs(new, torch.zeros(4, dtype=torch.float64), tensor(2, 2, -1, -1), tensor(*[0.25] * 4), clip=0.2)
    )
    assert float(found.loss) == pytest.approx(-2.1 / 4)
    assert found.clipped_N.tolist() == [False, True, True, False]


def test_clip_higher_and_dual_clip_by_hand() -> None:
    # Ratios 1.25, 1.5, 4, 2; advantages 1, 1, -1, -1; clip 0.2, upper bound 0.3, dual clip 3.
    # min(1.25, 1.25) inside 1.3; min(1.5, 1.3) = 1.3; -4 is held at -3; -2 is not. Loss = -(1.25 + 1.3 - 3 - 2).
    new = tensor(math.log(1.25), math.log(1.5), math.log(4), math.log(2)).requires_grad_()
    zero, ones = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    found = policy_loss(LossInputs(new, zero, tensor(1, 1, -1, -1), ones, 0.2, clip_high=0.3, dual_clip=3.0))
    assert found.loss.item() == pytest.approx(2.45)
    assert found.clipped_N.tolist() == [False, True, True, False]
    found.loss.backward()
    assert new.grad is not None
    np.testing.assert_allclose(new.grad.numpy(), [-1.25, 0, 0, 2])


def test_an_upper_bound_equal_to_clip_changes_no_bit() -> None:
    new = torch.linspace(-1, 1, 41, dtype=torch.float64)
    given = LossInputs(new, torch.zeros_like(new), torch.sin(7 * new), torch.ones_like(new), 0.2)
    assert torch.equal(policy_loss(given).loss, policy_loss(replace(given, clip_high=0.2)).loss)


def test_gradient_at_ratio_one_is_reinforce() -> None:
    new = tensor(-1.0, -2.0, -0.5).requires_grad_()
    advantages, weights = tensor(0.3, -0.7, 0.0), tensor(0.5, 0.25, 0.25)
    policy_loss(LossInputs(new, new.detach(), advantages, weights, clip=0.2)).loss.backward()
    assert new.grad is not None
    torch.testing.assert_close(new.grad, -advantages * weights)


def test_clip_removes_the_gradient_only_where_it_would_go_further() -> None:
    new = tensor(math.log(1.5), math.log(1.5), math.log(0.5), math.log(0.5)).requires_grad_()
    policy_loss(
        LossInputs(new, torch.zeros(4, dtype=torch.float64), tensor(1, -1, 1, -1), torch.ones(4), clip=0.2)
    ).loss.backward()
    assert new.grad is not None
    assert [g == 0 for g in new.grad.tolist()] == [True, False, False, True]


def test_k3_is_the_closed_form_and_never_negative() -> None:
    new, reference = tensor(-1.0, -2.0), tensor(-1.5, -1.0)
    # r = ref - new = -.5, 1: e^-.5 + .5 - 1 = .106530..., e - 1 - 1 = .718281...
    np.testing.assert_allclose(kl_k3(new, reference).numpy(), [math.exp(-0.5) - 0.5, math.e - 2.0])


def test_k3_of_nearly_equal_policies_is_half_the_square_in_fp32_too() -> None:
    # exp(d) - d - 1 = d^2/2 + d^3/6 + ...; computed as written it is off by 1e-7 in fp32, twenty times its value here.
    found = kl_k3(torch.tensor([0.0, 0.0]), torch.tensor([1e-4, -1e-4]))
    np.testing.assert_allclose(found.numpy(), [5e-9, 5e-9], rtol=1e-2)


@given(st.lists(st.floats(-200, 200), min_size=1, max_size=8))
@example([1.8366246731237802e-14])
def test_kl_and_ratio_stay_finite_with_finite_gradients_for_any_log_ratio(gaps: list[float]) -> None:
    new = tensor(*gaps).requires_grad_()
    zero = torch.zeros(len(gaps), dtype=torch.float64)
    loss = policy_loss(LossInputs(new, zero, torch.ones_like(zero), torch.ones_like(zero), 0.2, zero, 0.1)).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert new.grad is not None
    assert torch.isfinite(new.grad).all()
    assert (kl_k3(new, zero) >= 0).all()


def test_truncated_importance_by_hand() -> None:
    # Trainer / sampler: e^.1 under the cap; e^1 = 2.718.. above 2; e^-2; a gap of 500 nats overflows nowhere.
    old, sampled = tensor(-1.0, -1.0, -3.0, -1.0), tensor(-1.1, -2.0, -1.0, -501.0)
    found = truncated_importance(old.requires_grad_(), sampled, 2.0)
    np.testing.assert_allclose(found.numpy(), [math.exp(0.1), 2.0, math.exp(-2.0), 2.0])
    assert not found.requires_grad


def test_the_correction_weighs_the_policy_term_alone() -> None:
    # As in test_policy_loss_by_hand: policy terms -2, -2.4, .8, 1.5; corrections .5, 2, 1, 1: -1, -4.8, .8, 1.5.
    # KL to log-probabilities of 0 with coefficient .1: k3 of 0, ln 1.5, -ln 2, ln 1.5 = 0, .072132, .306853, .072132.
    new = tensor(0.0, math.log(1.5), math.log(0.5), math.log(1.5)).requires_grad_()
    zero, ones = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    found = policy_loss(LossInputs(new, zero, tensor(2, 2, -1, -1), ones, 0.2, zero, 0.1, tensor(0.5, 2, 1, 1)))
    kl = 2 * (1 / 1.5 - 1 + math.log(1.5)) + (2 - 1 - math.log(2))
    assert float(found.loss.detach()) == pytest.approx(-3.5 + 0.1 * kl)
    found.loss.backward()
    assert new.grad is not None
    # The first token: -.5 * 2 (KL's gradient is 0 there).
    assert float(new.grad[0]) == pytest.approx(-1.0)


def test_kl_to_go_sums_from_each_token_to_the_end() -> None:
    # k1 = 1, -2, 4; to go: 3, 2, 4; times -0.1.
    found = kl_to_go(tensor(1.0, -2.0, 4.0), torch.zeros(3, dtype=torch.float64), 0.1)
    np.testing.assert_allclose(found.numpy(), [-0.3, -0.2, -0.4])


def test_token_weights_by_hand() -> None:
    np.testing.assert_allclose(token_weights([2, 8], "sequence", 10), [1 / 4, 1 / 16])
    np.testing.assert_allclose(token_weights([2, 8], "token", 10), [1 / 10, 1 / 10])
    np.testing.assert_allclose(token_weights([2, 8], "constant", 10), [1 / 20, 1 / 20])


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 200))
def test_micro_batches_hold_every_row_once_within_the_budget(widths: list[int], budget: int) -> None:
    batches = micro_batches(widths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(widths)))
    for batch in batches:
        padded = len(batch) * max(widths[i] for i in batch)
        assert padded <= budget or len(batch) == 1


@given(st.integers(1, 40), st.integers(1, 8))
def test_updates_share_out_whole_groups_in_order(groups: int, updates: int) -> None:
    parts = split_updates([None] * groups, updates)  # type: ignore[list-item]
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(groups))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


def rows(count: int, seed: int = 0, signal: bool = True) -> list[TrainingRow]:
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        prompt = tuple(int(t) for t in rng.integers(1, 50, rng.integers(2, 6)))
        tokens = tuple(int(t) for t in rng.integers(1, 50, rng.integers(1, 30)))
        made.append(
            TrainingRow(prompt, tokens, -rng.random(len(tokens)) * 4, (-1) ** i * 0.5 if signal else 0.0, signal)
        )
    return made


def gradients(config: LearnerConfig, batch: list[TrainingRow], seed: int = 0) -> list[torch.Tensor]:
    """Gradient of one update: Adam's first moment after its first step is (1 - beta1) times the gradient."""
    model = make_model(50, seed=seed).double()
    learner = Learner(model, make_model(50, seed=seed + 1).double(), config, temperature=1.0, cap=64)
    learner.update([batch])
    return [learner.optimizer.state[p]["exp_avg"] / (1 - config.betas[0]) for p in model.parameters()]


@pytest.mark.parametrize("averaging", ["sequence", "token", "constant"])
@pytest.mark.parametrize("kl_in", ["reward", "loss"])
def test_how_a_step_is_cut_into_micro_batches_cannot_change_its_gradient(averaging: str, kl_in: str) -> None:
    settings_ = {"averaging": averaging, "kl_in": kl_in, "kl_coefficient": 0.1, "gradient_clip": 1e9}
    whole, pieces = (
        gradients(LearnerConfig(**settings_, token_budget=b, old_logprobs="sampler"), rows(12)) for b in (10_000, 1)
    )
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_loss_of_a_step_equals_the_equation_row_by_row() -> None:
    """An independent route: every row alone, log-probabilities from the model's own logits, sums in plain Python."""
    batch = rows(5)
    model, reference = make_model(50).double(), make_model(50, seed=1).double()
    expected = 0.0
    for row in batch:
        ids = torch.tensor([row.prompt_tokens + row.tokens])
        with torch.no_grad():
            new, ref = (m(ids).logits[0].log_softmax(-1) for m in (model, reference))
        start = len(row.prompt_tokens)
        total = 0.0
        for t, token in enumerate(row.tokens):
            lp, lr = float(new[start + t - 1, token]), float(ref[start + t - 1, token])
            ratio = math.exp(lp - float(row.sampled_logprobs_T[t]))  # type: ignore[index]
            clipped = min(max(ratio, 0.8), 1.2)
            total += -min(ratio * row.advantage, clipped * row.advantage)
            total += 0.1 * (math.exp(lr - lp) - (lr - lp) - 1)
        expected += total / (len(batch) * row.length)
    config = LearnerConfig(kl_in="loss", kl_coefficient=0.1, old_logprobs="sampler", token_budget=64)
    found = Learner(model, reference, config, temperature=1.0, cap=64).update([batch])
    assert found.losses[0] == pytest.approx(expected, rel=1e-6)


def test_without_kl_leaving_out_rows_without_signal_changes_no_gradient() -> None:
    mixed = rows(6) + rows(4, seed=9, signal=False)
    skip, keep = (
        gradients(LearnerConfig(kl_coefficient=0.0, skip_no_signal=s, old_logprobs="sampler"), mixed)
        for s in ("auto", "never")
    )
    for one, other in zip(skip, keep, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_step_without_any_signal_changes_nothing_and_is_no_crash() -> None:
    model = make_model(50)
    before = [p.clone() for p in model.parameters()]
    learner = Learner(model, None, LearnerConfig(kl_coefficient=0.0), temperature=1.0, cap=64)
    metrics = learner.update([rows(4, signal=False), []])
    assert metrics.losses == []
    assert learner.optimizer_steps == 0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_trainers_own_old_logprobs_make_the_first_ratio_one() -> None:
    learner = Learner(make_model(50), None, LearnerConfig(kl_coefficient=0.0), temperature=1.0, cap=64)
    batch = rows(6)
    metrics = learner.update([batch])
    assert metrics.clipped == 0
    # At ratio 1 the loss is minus the weighted mean of the advantages.
    weighed = weigh(batch, "sequence", 64)
    expected = -sum(r.advantage * w * r.length for r, w in zip(batch, weighed.weights_B, strict=True))
    assert metrics.losses[0] == pytest.approx(expected, abs=1e-6)


def own_logprobs(batch: list[TrainingRow], shift: float) -> list[TrainingRow]:
    """The rows, sampled with the log-probabilities of ``make_model(50)`` less ``shift`` nats."""
    with torch.no_grad():
        found = token_logprobs(make_model(50).double(), batch, 1.0).logprobs_N.split([r.length for r in batch])
    return [replace(row, sampled_logprobs_T=own.numpy() - shift) for row, own in zip(batch, found, strict=True)]


@pytest.mark.parametrize(("shift", "weight", "capped"), [(0.0, 1.0, 0.0), (math.log(1.5), 1.5, 0.0), (5.0, 2.0, 1.0)])
def test_the_correction_scales_gradient_and_is_reported(shift: float, weight: float, capped: float) -> None:
    """In the first gradient step (old = own value) as in the second; weights of one value scale the whole loss."""
    batch = own_logprobs(rows(6), shift)
    settings_ = {"kl_coefficient": 0.0, "learning_rate": 1e-30, "gradient_clip": 1e9, "averaging": "token"}
    plain, corrected = (
        Learner(make_model(50).double(), None, LearnerConfig(**settings_, **over), 1.0, 64)
        for over in ({}, {"importance_cap": 2.0})
    )
    without, found = (learner.update([batch, batch]) for learner in (plain, corrected))
    assert abs(without.losses[0]) > 1e-3
    assert found.losses == pytest.approx([weight * loss for loss in without.losses], rel=1e-5)
    assert found.gradient_norms == pytest.approx([weight * norm for norm in without.gradient_norms], rel=1e-5)
    assert (found.mean("correction"), found.mean("capped")) == (pytest.approx(weight), capped)
    # k3 of a gap of `shift` everywhere; before the first step only.
    assert found.mean("gap_kl") == pytest.approx(math.exp(shift) - shift - 1, rel=1e-5, abs=1e-9)
    assert found.corrected
    assert not without.corrected


def test_the_correction_is_refused_where_it_has_nothing_to_correct_from() -> None:
    with pytest.raises(ValueError, match="old_logprobs=trainer"):
        LearnerConfig(importance_cap=2.0, old_logprobs="sampler")
    learner = Learner(make_model(50), None, LearnerConfig(kl_coefficient=0.0, importance_cap=2.0), 1.0, 64)
    with pytest.raises(RunError, match="log-probabilities"):
        learner.update([[replace(row, sampled_logprobs_T=None) for row in rows(2)]])


def test_non_finite_loss_is_refused_before_any_weight_changes() -> None:
    model = make_model(50)
    before = [p.clone() for p in model.parameters()]
    bad = [TrainingRow(r.prompt_tokens, r.tokens, r.sampled_logprobs_T, float("nan"), True) for r in rows(3)]
    learner = Learner(model, None, LearnerConfig(kl_coefficient=0.0), temperature=1.0, cap=64)
    with pytest.raises(RunError, match="not finite"):
        learner.update([bad])
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 200))
def test_packed_micro_batches_hold_every_row_once_and_nothing_but_tokens(widths: list[int], budget: int) -> None:
    batches = micro_batches(widths, budget, packed=True)
    assert sorted(i for batch in batches for i in batch) == list(range(len(widths)))
    for batch in batches:
        assert sum(widths[i] for i in batch) <= budget or len(batch) == 1
    # No two batches could be one: each was opened because its first row fitted nowhere.
    assert all(sum(widths[i] for i in a) + widths[b[0]] > budget for a, b in pairwise(batches))


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_packed_and_padded_layouts_give_the_same_gradients(kind: str) -> None:
    found = []
    for layout in ("padded", "packed"):
        model = make_model(50, kind).double()
        config = LearnerConfig(kl_in="loss", kl_coefficient=0.1, old_logprobs="sampler", token_budget=90, layout=layout)
        learner = Learner(model, make_model(50, kind, seed=1).double(), config, temperature=1.0, cap=64)
        learner.update([rows(12)])
        found.append([learner.optimizer.state[p]["exp_avg"] for p in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 25), min_size=1, max_size=6), st.integers(0, 100))
def test_logprobs_of_padded_and_packed_rows_are_those_of_each_row_alone(lengths: list[int], seed: int) -> None:
    model = make_model(50)
    rng = np.random.default_rng(seed)
    batch = [
        TrainingRow(tuple(rng.integers(1, 50, 3).tolist()), tuple(rng.integers(1, 50, n).tolist()), None, 0.0, True)
        for n in lengths
    ]
    with torch.no_grad():
        padded, packed = (token_logprobs(model, batch, 0.8, p).logprobs_N.split(lengths) for p in (False, True))
        for row, one, other in zip(batch, padded, packed, strict=True):
            alone = token_logprobs(model, [row], 0.8).logprobs_N
            torch.testing.assert_close(one, alone, rtol=0, atol=1e-5)
            torch.testing.assert_close(other, alone, rtol=0, atol=1e-5)


def test_chunked_head_gives_the_same_values_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(50).double()
    hidden = torch.randn(37, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(37) % 50
    found = []
    for limit in (2**26, 50 * 5):
        monkeypatch.setattr("tersely.learn.heads.CHUNK_LOGITS", limit)
        leaf = hidden.clone().requires_grad_()
        logprobs_N, entropy_N = head_logprobs(OutputLayer(model), leaf, targets, 1.0)
        model.zero_grad()
        logprobs_N.sum().backward()
        found.append((logprobs_N.detach(), entropy_N, leaf.grad, model.get_output_embeddings().weight.grad.clone()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_freed_before_the_next_rollouts() -> None:
    learner = Learner(make_model(50), None, LearnerConfig(kl_coefficient=0.0), temperature=1.0, cap=64)
    assert learner.update([rows(4)]).gradient_norms[0] > 0
    assert all(p.grad is None for p in learner.model.parameters())


def test_checkpointing_is_switched_on_without_a_deprecated_call() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        settings_ = LearnerConfig(kl_coefficient=0.0, gradient_checkpointing=True)
        learner = Learner(make_model(50), None, settings_, temperature=1.0, cap=64)
    assert any(getattr(module, "gradient_checkpointing", False) for module in learner.model.modules())


def test_warm_up_is_linear_then_constant() -> None:
    config = LearnerConfig(kl_coefficient=0.0, learning_rate=1.0, warmup_steps=4)
    learner = Learner(make_model(50), None, config, temperature=1.0, cap=64)
    rates = []
    for learner.optimizer_steps in range(6):
        rates.append(learner.learning_rate())
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
