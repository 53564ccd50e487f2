"""What every policy loss is given and gives back. Pure functions of tensors; no model here.

``_N``: the response tokens of one micro-batch, laid end to end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from tersely.learn.losses.kl import kl_k3


@dataclass(frozen=True, slots=True)
class LossInputs:
    """One micro-batch as a loss sees it. Only ``logprobs_N`` carries gradient."""

    logprobs_N: Tensor
    """[N] under the policy as it is now."""
    old_logprobs_N: Tensor
    """[N] under the policy that the advantages belong to."""
    advantages_N: Tensor
    """[N] of each token's response, KL in the reward included."""
    weights_N: Tensor
    """[N] ``batch.token_weights``: they hold the denominators of the whole gradient step, so a loss is a plain sum."""
    clip: float
    """``learner.clip``."""
    reference_logprobs_N: Tensor | None = None
    """[N] under the frozen reference, where KL is part of the loss."""
    kl_coefficient: float = 0.0
    correction_N: Tensor | None = None
    """[N] truncated importance weights of the policy term, or None (``corrections``)."""
    clip_high: float | None = None
    """``learner.clip_high``; None: ``clip`` on both sides."""
    dual_clip: float | None = None
    """``learner.dual_clip``; None: no bound where the advantage is negative."""
    hold_N: Tensor | None = None
    """[N] price of a nat between ``logprobs_N`` and ``old_logprobs_N``, 0 for most tokens; given to ``kl_cov`` alone,
    and None there too where the two are one (``losses.kl_cov``)."""


class PolicyLoss(NamedTuple):
    loss: Tensor
    """Scalar with gradient; for N = 0 a zero that is still attached to ``logprobs_N``."""
    clipped_N: Tensor
    """[N] bool: tokens whose gradient the loss removes."""


def whole_loss(given: LossInputs, policy_N: Tensor, clipped_N: Tensor) -> PolicyLoss:
    """sum_it weight_i * (c_it * policy_it + kl_coefficient * kl_it), of what a loss makes of each token."""
    if given.correction_N is not None:
        policy_N = given.correction_N * policy_N
    if given.reference_logprobs_N is not None and given.kl_coefficient:
        policy_N = policy_N + given.kl_coefficient * kl_k3(given.logprobs_N, given.reference_logprobs_N)
    return PolicyLoss((given.weights_N * policy_N).sum(), clipped_N.detach())


Loss = Callable[[LossInputs], PolicyLoss]
"""A policy loss, by the name that ``learner.loss`` gives (``losses.LOSSES``, or ``package.module:name``)."""
