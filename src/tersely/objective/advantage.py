"""Baselines (reward -> advantage within a group) and normalisations of advantages over a whole step.

``_N``: the counted responses of one group. Truly equal rewards are found by max == min and give exact zeros, so
that rounding noise can never be blown up into a signal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tersely.records import FloatArray

Estimator = Callable[[FloatArray], FloatArray]
"""Rewards [N] of one group -> advantages [N]."""
Normalization = Callable[[Sequence[FloatArray], Sequence[FloatArray], Sequence[FloatArray]], list[FloatArray]]
"""(advantages, rewards, lengths), each a list of one [N] array a group -> advantages, a list of [N] arrays."""

GROUP_EPS = 1e-8
"""Added to the std of a group's rewards; small beside any std that a sensible alpha leaves (about alpha / 4)."""
BATCH_STD_FLOOR = 1e-4
"""Smallest std that ``batch`` divides by, as in the released code."""


def _all_equal(values_N: FloatArray) -> bool:
    return values_N.size == 0 or bool(values_N.max() == values_N.min())


def _mean(values_N: FloatArray) -> float:
    """Mean with a single rounding: independent of the order of the siblings."""
    return math.fsum(values_N) / values_N.size


def rloo(rewards_N: FloatArray) -> FloatArray:
    """Leave-one-out: A_i = r_i - (1 / (n - 1)) * sum_{j != i} r_j (arXiv 2502.04463, section 4.1). [N] -> [N].

    Equals n / (n - 1) times ``mean_baseline``; sums to 0. Degenerate cases: fewer than two rewards, or all equal,
    give zeros.
    """
    if rewards_N.size < 2 or _all_equal(rewards_N):
        return np.zeros_like(rewards_N)
    others_N = (math.fsum(rewards_N) - rewards_N) / (rewards_N.size - 1)
    return np.asarray(rewards_N - others_N, dtype=np.float64)


def mean_baseline(rewards_N: FloatArray) -> FloatArray:
    """Group mean: A_i = r_i - (1 / n) * sum_j r_j, the response itself included. [N] -> [N].

    The numerator of the normalised advantage of arXiv 2502.04463, section 5.4 (GRPO's). Sums to 0. Degenerate
    cases: fewer than two rewards, or all equal, give zeros.
    """
    if rewards_N.size < 2 or _all_equal(rewards_N):
        return np.zeros_like(rewards_N)
    return np.asarray(rewards_N - _mean(rewards_N), dtype=np.float64)


def unnormalized(
    advantages: Sequence[FloatArray], rewards: Sequence[FloatArray], lengths: Sequence[FloatArray]
) -> list[FloatArray]:
    """Leave advantages as they are: the paper's choice (arXiv 2502.04463, section 5.4)."""
    return list(advantages)


def group_normalized(
    advantages: Sequence[FloatArray], rewards: Sequence[FloatArray], lengths: Sequence[FloatArray]
) -> list[FloatArray]:
    """A_i <- A_i / (STD(r of its group) + 1e-8), population std: the ablation of arXiv 2502.04463, section 5.4.

    Where every response is correct alpha cancels out, so that the length pressure no longer depends on it: that is
    the harm the paper describes. Degenerate case: equal rewards in a group give zeros.
    """
    return [_over_std(a_N, r_N) for a_N, r_N in zip(advantages, rewards, strict=True)]


def _over_std(advantages_N: FloatArray, rewards_N: FloatArray) -> FloatArray:
    if _all_equal(rewards_N):
        return np.zeros_like(advantages_N)
    std = math.sqrt(_mean((rewards_N - _mean(rewards_N)) ** 2))
    return np.asarray(advantages_N / (std + GROUP_EPS), dtype=np.float64)


def batch_normalized(
    advantages: Sequence[FloatArray], rewards: Sequence[FloatArray], lengths: Sequence[FloatArray]
) -> list[FloatArray]:
    """Whiten over the step: A <- (A - M) / max(S, 1e-4), M and S over all tokens, each with its response's A.

    M = sum_i l_i A_i / sum_i l_i and S^2 = sum_i l_i (A_i - M)^2 / sum_i l_i. This is what the authors' released
    code does although the paper (arXiv 2502.04463, section 5.4) speaks of no normalisation. What differs here: the
    released code whitens after it has folded the per-token KL penalty into the advantages; KL is not in these.

    Consequences to know: groups whose rewards are all equal get -M / S instead of 0, advantages of a group no
    longer sum to 0 (the token-weighted sum over the step does), and the scale no longer follows alpha.
    Degenerate cases: advantages all equal over the step, or no token at all, give zeros.
    """
    flat = np.concatenate([np.zeros(0), *advantages])
    weights = np.concatenate([np.zeros(0), *lengths])
    if _all_equal(flat) or not weights.any():
        return [np.zeros_like(a_N) for a_N in advantages]
    # Weights are used as shares of the largest, so that huge lengths cannot overflow their sum.
    weights = weights / weights.max()
    total = math.fsum(weights)
    mean = math.fsum(weights * flat) / total
    std = math.sqrt(math.fsum(weights * (flat - mean) ** 2) / total)
    return [np.asarray((a_N - mean) / max(std, BATCH_STD_FLOOR), dtype=np.float64) for a_N in advantages]


ADVANTAGES: Mapping[str, Estimator] = MappingProxyType({"rloo": rloo, "mean": mean_baseline})
"""Advantage estimators by the name a configuration uses."""
NORMALIZATIONS: Mapping[str, Normalization] = MappingProxyType(
    {"none": unnormalized, "group": group_normalized, "batch": batch_normalized}
)
"""Normalisations by the name a configuration uses."""
