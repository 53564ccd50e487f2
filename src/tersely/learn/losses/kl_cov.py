"""KL-Cov: the policy gradient without a clip, and a price on moving the few tokens that cost most entropy.

    ratio_t  = exp(logprob_t - old_logprob_t)
    cov_t    = (old_logprob_t - mean old_logprob) * (A_t - mean A)       (means over all tokens of the gradient step)
    held     = the share k of the tokens with the largest cov_t
    policy_t = -ratio_t * A_t + beta * |logprob_t - old_logprob_t| * 1[t held]
    loss     = sum_it weight_i * (c_it * policy_it + kl_coefficient * kl_it)                 (kl and c: ``losses.kl``)

Cui et al. 2025, "The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models" (arXiv 2505.22617,
section 4.3): entropy falls by the covariance of log-probability and advantage, and nearly all of it comes from few
tokens. k of .002 at 7 billion parameters and .0002 at 32 billion, beta 1; as in the authors' code and verl
(``compute_policy_loss_kl_cov``), where the KL of a token is the absolute log-ratio. Two departures:

- cov_t is of the policy that sampled, and not of the one that is changing: it is known before the first token of a
  gradient step goes through the model, so that the step's tokens are ranked together. The authors rank within a
  micro-batch, by which the way a step is cut decides what is held.
- In an iteration's first gradient step nothing is held where the trainer's own log-probabilities are the old ones:
  the ratio is 1 there, and value and gradient of the price are 0 (with torch's sign(0) = 0).

Degenerate cases: at least one token is held; all that are equal to the last one held are held too; equal advantages
give cov = 0 everywhere, and all tokens are held.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tersely.learn.losses.base import LossInputs, PolicyLoss, whole_loss
from tersely.learn.losses.kl import LOG_RATIO_LIMIT
from tersely.learn.parallel import World

NAME = "kl_cov"
"""Of this loss, for ``learner.loss``."""


def kl_cov_loss(given: LossInputs) -> PolicyLoss:
    """The loss over N response tokens; ``hold_N`` None holds nothing. N = 0 gives a zero that is still attached."""
    log_ratio_N = (given.logprobs_N - given.old_logprobs_N).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    per_token_N = -log_ratio_N.exp() * given.advantages_N
    if given.hold_N is not None:
        per_token_N = per_token_N + given.hold_N * log_ratio_N.abs()
    return whole_loss(given, per_token_N, torch.zeros_like(given.logprobs_N, dtype=torch.bool))


def holds(
    old: Sequence[Tensor], advantages: Sequence[Tensor], share: float, coefficient: float, world: World
) -> list[Tensor]:
    """[N] of each micro-batch of one gradient step: ``coefficient`` where a token is held, else 0.

    ``old`` and ``advantages`` [N] of each of our micro-batches; means and ranks are over those of all processes.
    """
    logprobs = [part.detach().double().cpu() for part in old]
    worths = [part.detach().double().cpu() for part in advantages]
    count = world.all_sum(sum(part.numel() for part in logprobs))
    if not count:
        return [torch.zeros_like(part) for part in old]
    logprob, worth = (world.all_sum(float(torch.cat(parts).sum())) / count for parts in (logprobs, worths))
    covariances = [(l_N - logprob) * (a_N - worth) for l_N, a_N in zip(logprobs, worths, strict=True)]
    most = max(1, int(share * count))
    own_N = torch.cat(covariances)
    largest = own_N.topk(min(most, own_N.numel())).values.tolist()
    least = sorted((value for part in world.all_gather(largest) for value in part), reverse=True)[:most][-1]
    return [(coefficient * (c_N >= least)).to(o_N) for c_N, o_N in zip(covariances, old, strict=True)]
