"""The policy loss on token arrays, and the KL estimators. Pure functions of tensors; no model here.

    ratio_t   = exp(logprob_t - old_logprob_t)                                       (density ratio, paper section 4.1)
    policy_t  = -min(ratio_t * A_t, clip(ratio_t, 1 - eps, 1 + eps) * A_t)           (PPO-clip, arXiv 1707.06347 eq. 7)
    kl_t      = exp(ref_t - logprob_t) - (ref_t - logprob_t) - 1                     (k3, joschu.net/blog/kl-approx)
    loss      = sum_it weight_i * (c_it * policy_it + kl_coefficient * kl_it)

Truncated importance correction, where it is on (else c = 1): responses come from a sampler whose arithmetic differs
from the trainer's, and old_logprob is the trainer's own, so

    c_t       = min(exp(old_logprob_t - sampled_logprob_t), cap)     (Yao et al. 2025, "Your efficient RL framework
                                                                      secretly brings you off-policy RL training")

a constant of the sample without gradient; the cap bounds its variance and takes little, as the two are nearly the same.

Weights come from ``batch.token_weights``; they hold the denominators of the whole gradient step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped here before exp, so that neither value nor gradient can overflow (e^20 = 4.9e8)."""


class PolicyLoss(NamedTuple):
    loss: Tensor
    """Scalar with gradient."""
    clipped_N: Tensor
    """[N] bool: tokens whose gradient the clip removes."""


def policy_loss(
    logprobs_N: Tensor,
    old_logprobs_N: Tensor,
    advantages_N: Tensor,
    weights_N: Tensor,
    clip: float,
    reference_logprobs_N: Tensor | None = None,
    kl_coefficient: float = 0.0,
    correction_N: Tensor | None = None,
) -> PolicyLoss:
    """PPO-clip over N response tokens laid end to end, plus the k3 KL where a reference is given.

    ``correction_N`` weighs the policy term of each token (``truncated_importance``).
    Only ``logprobs_N`` carries gradient. N = 0 gives a zero loss that is still attached to it.
    """
    shapes = {t.shape for t in (logprobs_N, old_logprobs_N, advantages_N, weights_N)}
    assert len(shapes) == 1, f"one entry a token is needed everywhere, got shapes {sorted(map(tuple, shapes))}"
    log_ratio_N = (logprobs_N - old_logprobs_N).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    ratio_N = log_ratio_N.exp()
    plain_N = ratio_N * advantages_N
    bounded_N = ratio_N.clamp(1.0 - clip, 1.0 + clip) * advantages_N
    per_token_N = -torch.minimum(plain_N, bounded_N)
    if correction_N is not None:
        per_token_N = correction_N * per_token_N
    if reference_logprobs_N is not None and kl_coefficient:
        per_token_N = per_token_N + kl_coefficient * kl_k3(logprobs_N, reference_logprobs_N)
    return PolicyLoss((weights_N * per_token_N).sum(), (plain_N > bounded_N).detach())


def truncated_importance(old_logprobs_N: Tensor, sampled_logprobs_N: Tensor, cap: float) -> Tensor:
    """[N] ``min(exp(old - sampled), cap)``, without gradient. Cut before exp, so that nothing overflows."""
    return (old_logprobs_N - sampled_logprobs_N).detach().clamp(max=math.log(cap)).exp()


def kl_k3(logprobs_N: Tensor, reference_logprobs_N: Tensor) -> Tensor:
    """[N] k3 estimator of KL(policy || reference): never negative, unbiased under the policy, low variance.

    By expm1, as ``exp(d) - d - 1`` of a small d is nothing but rounding (in fp32 below about 1e-3).
    """
    difference_N = (reference_logprobs_N - logprobs_N).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return (torch.expm1(difference_N) - difference_N).clamp(min=0.0)


def kl_to_go(logprobs_T: Tensor, reference_logprobs_T: Tensor, coefficient: float) -> Tensor:
    """[T] what KL in the reward adds to each token's advantage: -coefficient * sum over s >= t of (logprob_s - ref_s).

    The k1 estimator as a reward at every token, returned to go with discount 1, as in the paper's released
    code (fixed controller). It is not part of the leave-one-out baseline.
    """
    k1_T = logprobs_T - reference_logprobs_T
    return -coefficient * k1_T.flip(0).cumsum(0).flip(0)
