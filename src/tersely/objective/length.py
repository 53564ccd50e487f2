"""Length z-scores and the paper's f(z) -> [0, 1] that squashes them (arXiv 2502.04463, Eq. 5).

``_N``: the correct and judged responses of one group.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tersely.records import FloatArray

Squash = Callable[[FloatArray], FloatArray]
"""f: a monotone non-decreasing function of z-scores, elementwise, with f(0) = 1/2 and values in [0, 1]."""


def z_scores(lengths_N: FloatArray) -> FloatArray:
    """Standardise lengths: z_i = (l_i - MEAN) / STD, population std (arXiv 2502.04463, Eq. 5). [N] -> [N].

    Lengths are moved onto [0, 1] first, which leaves z unchanged, cannot overflow, and keeps the std away from 0.
    |z| <= sqrt(N - 1).

    Degenerate cases: no response gives an empty array; one response, or all of equal length (max == min, never a
    comparison of the std with 0, which float noise would defeat), give z = 0.
    """
    if lengths_N.size == 0 or lengths_N.max() == lengths_N.min():
        return np.zeros_like(lengths_N)
    shortest = lengths_N.min()
    unit_N = (lengths_N - shortest) / (lengths_N.max() - shortest)
    # fsum rounds once, so that the order of the siblings cannot change a bit of the result.
    centred_N = unit_N - math.fsum(unit_N) / unit_N.size
    std = math.sqrt(math.fsum(centred_N**2) / unit_N.size)
    return np.asarray(centred_N / std, dtype=np.float64)


def sigmoid(z_N: FloatArray) -> FloatArray:
    """f(z) = 1 / (1 + exp(-z)), the paper's soft clip (arXiv 2502.04463, Eq. 5). [N] -> [N] in [0, 1].

    Only exp(-|z|) is taken, so nothing overflows. Degenerate case: f(0) = 1/2 exactly.
    """
    decay_N = np.exp(-np.abs(z_N))
    return np.asarray(np.where(z_N >= 0, 1.0, decay_N) / (1.0 + decay_N), dtype=np.float64)


def mean_length(lengths_N: FloatArray) -> float:
    """Arithmetic mean, rounded once, so that the order of the siblings cannot change a bit. N >= 1."""
    return math.fsum(lengths_N) / lengths_N.size


def sample_std(lengths_N: FloatArray) -> float:
    """Standard deviation with ddof = 1, as torch.std and statistics.stdev give it.

    Degenerate cases: fewer than two values, or all equal (max == min), give 0.
    """
    if lengths_N.size < 2 or lengths_N.max() == lengths_N.min():
        return 0.0
    return math.sqrt(math.fsum((lengths_N - mean_length(lengths_N)) ** 2) / (lengths_N.size - 1))
