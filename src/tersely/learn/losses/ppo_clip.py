"""PPO-clip on token arrays, the paper's loss.

ratio_t   = exp(logprob_t - old_logprob_t)                                       (density ratio, paper section 4.1)
policy_t  = -min(ratio_t * A_t, clip(ratio_t, 1 - eps, 1 + eps) * A_t)           (PPO-clip, arXiv 1707.06347 eq. 7)
            with 1 + eps_high where ``clip_high`` is given                       (clip-higher, arXiv 2503.14476 eq. 10)
            and at most c * |A_t| where A_t < 0 and ``dual_clip`` c is given     (dual clip, arXiv 1912.09729 eq. 5)
loss      = sum_it weight_i * (c_it * policy_it + kl_coefficient * kl_it)        (kl and c: ``losses.kl``)
"""

from __future__ import annotations

import torch

from tersely.learn.losses.base import LossInputs, PolicyLoss, whole_loss
from tersely.learn.losses.kl import LOG_RATIO_LIMIT


def policy_loss(given: LossInputs) -> PolicyLoss:
    """PPO-clip over N response tokens laid end to end, plus the k3 KL where a reference is given.

    ``correction_N`` weighs the policy term of each token. N = 0 gives a zero loss that is still attached.
    """
    logprobs_N, advantages_N = given.logprobs_N, given.advantages_N
    shapes = {t.shape for t in (logprobs_N, given.old_logprobs_N, advantages_N, given.weights_N)}
    assert len(shapes) == 1, f"one entry a token is needed everywhere, got shapes {sorted(map(tuple, shapes))}"
    log_ratio_N = (logprobs_N - given.old_logprobs_N).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    ratio_N = log_ratio_N.exp()
    plain_N = ratio_N * advantages_N
    high = given.clip if given.clip_high is None else given.clip_high
    bounded_N = ratio_N.clamp(1.0 - given.clip, 1.0 + high) * advantages_N
    per_token_N, clipped_N = -torch.minimum(plain_N, bounded_N), plain_N > bounded_N
    if given.dual_clip is not None:
        beyond_N = (advantages_N < 0) & (ratio_N > given.dual_clip)
        per_token_N = torch.where(beyond_N, -given.dual_clip * advantages_N, per_token_N)
        clipped_N = clipped_N | beyond_N
    return whole_loss(given, per_token_N, clipped_N)
