"""PPO-clip on token arrays, the paper's loss.

ratio_t   = exp(logprob_t - old_logprob_t)                                       (density ratio, paper section 4.1)
policy_t  = -min(ratio_t * A_t, clip(ratio_t, 1 - eps, 1 + eps) * A_t)           (PPO-clip, arXiv 1707.06347 eq. 7)
loss      = sum_it weight_i * (c_it * policy_it + kl_coefficient * kl_it)        (kl and c: ``losses.kl``)
"""

from __future__ import annotations

import torch

from tersely.learn.losses.base import LossInputs, PolicyLoss
from tersely.learn.losses.kl import LOG_RATIO_LIMIT, kl_k3


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
    bounded_N = ratio_N.clamp(1.0 - given.clip, 1.0 + given.clip) * advantages_N
    per_token_N = -torch.minimum(plain_N, bounded_N)
    if given.correction_N is not None:
        per_token_N = given.correction_N * per_token_N
    if given.reference_logprobs_N is not None and given.kl_coefficient:
        per_token_N = per_token_N + given.kl_coefficient * kl_k3(logprobs_N, given.reference_logprobs_N)
    return PolicyLoss((given.weights_N * per_token_N).sum(), (plain_N > bounded_N).detach())
