"""Estimators of KL(policy || reference), and the truncated importance correction. Pure functions of tensors.

    kl_t = exp(ref_t - logprob_t) - (ref_t - logprob_t) - 1                        (k3, joschu.net/blog/kl-approx)
    c_t  = min(exp(old_logprob_t - sampled_logprob_t), cap)    (Yao et al. 2025, "Your efficient RL framework secretly
                                                                brings you off-policy RL training")

The correction is for responses that come from a sampler whose arithmetic differs from the trainer's. It is a constant
of the sample without gradient; the cap bounds its variance and takes little, as the two policies are nearly the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped here before exp, so that neither value nor gradient can overflow (e^20 = 4.9e8)."""


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
