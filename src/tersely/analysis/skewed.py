"""Intervals of means and of ratios of means that allow for skewed values: lengths have a long right tail.

The t interval misses the mean of such values almost always on one side: a sample of 30 seldom holds as much of the
tail as the population, and where it does not, mean and standard deviation are both too small.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri, stdtrit

from tersely.records import FloatArray

FEWEST = 20
"""Values that an interval of a mean or a ratio needs; below, the tail is not in the sample (docs/metrics.md)."""

UNSEEN, UNSEEN_EITHER_WAY = 6.0, 20.0
"""The sample's skewness is taken ``1 + UNSEEN / n`` times: a small sample shows less than there is. The second is for
differences, of which either tail may be the one unseen. Both were chosen by simulation."""

MOST_WIDENING = 1.5
"""A term of order 1 / n says nothing where it is as large as the quantile: one wild value among 30 would make it so."""


def mean_interval(values_N: FloatArray, confidence: float) -> tuple[float, float]:
    """Two-sided interval of the mean of independent values with a tail to one side.

    With the studentised mean ``T = (mean - mu) / s`` and the skewness ``g``, ``sqrt(n) (T + g T^2 / 3 + g^2 T^3 / 27 +
    g / 6n)`` is normal up to terms of order 1 / n, and rises with T: its inverse at the quantiles ``+-q`` gives the
    ends (Hall 1992, JRSS B 54, "On the removal of skewness by transformation"). ``q`` is Student's with n - 1 degrees
    of freedom, ``g`` the adjusted sample skewness times ``1 + UNSEEN / n``. Both ends move towards the tail; mirrored
    values have the mirrored interval, and without skewness it is the t interval.

    Needs at least three values that are not all equal: the caller's to see (``FEWEST``).
    """
    mean, spread, n = float(values_N.mean()), float(values_N.std(ddof=1)), values_N.size
    skewness = _skewness(values_N) * (1 + UNSEEN / n)
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    return mean - spread * _studentised(quantile, n, skewness), mean - spread * _studentised(-quantile, n, skewness)


def difference_interval(values_N: FloatArray, confidence: float) -> tuple[float, float]:
    """Two-sided interval of the mean of differences, whose tails may lie on both sides: ``mean +- q s / sqrt(n)``.

    ``q`` is ``wide_quantile``'s. Needs what ``mean_interval`` needs.
    """
    reach = wide_quantile(values_N, confidence) * float(values_N.std(ddof=1)) / math.sqrt(values_N.size)
    return float(values_N.mean()) - reach, float(values_N.mean()) + reach


def ratio_interval(base_N: FloatArray, model_N: FloatArray, confidence: float) -> tuple[float, float] | None:
    """Two-sided interval of ``mean(model) / mean(base)`` of paired values, both of them 0 or more.

    The ratio is the ``r`` at which ``model - r base`` has the mean 0, so the interval holds every ``r`` for which that
    mean is not beyond ``q`` standard errors: ``(M - r B)^2 <= q^2 Var(m - r b) / n`` (Fieller 1954, JRSS B 16), ``q``
    by ``wide_quantile`` from ``model - ratio base``. Units do not matter, and exchanging the sides gives the inverse.
    The low end is at least 0; None where the base's mean may be 0, which leaves no high end.

    Needs a base mean above 0 and spread in ``model - ratio base``.
    """
    base, model = float(base_N.mean()), float(model_N.mean())
    squared = wide_quantile(model_N - model / base * base_N, confidence) ** 2 / base_N.size
    (model_2, both), (_, base_2) = np.cov(model_N, base_N).tolist()
    a, b, c = base**2 - squared * base_2, model * base - squared * both, model**2 - squared * model_2
    if a <= 0:
        return None
    root = math.sqrt(max(b * b - a * c, 0.0))
    return max((b - root) / a, 0.0), (b + root) / a


def wide_quantile(values_N: FloatArray, confidence: float) -> float:
    """Student's quantile plus what skewness ``g`` and excess kurtosis ``k`` add to it on both sides together.

    ``x / n (g^2 (x^4 + 2 x^2 - 3) / 18 - k (x^2 - 3) / 12)``, never below 0, at most to ``MOST_WIDENING`` times, with
    ``x`` the normal quantile: the term of order 1 / n in the chance that a studentised mean stays within ``+-x``
    (Hall 1992, The Bootstrap and Edgeworth Expansion, section 2.6), where Student's quantile holds the rest of it.
    ``g`` is taken ``1 + UNSEEN_EITHER_WAY / n`` times.
    """
    n, x = values_N.size, float(ndtri((1 + confidence) / 2))
    central_N = values_N - values_N.mean()
    kurtosis = float(np.mean(central_N**4) / np.mean(central_N**2) ** 2) - 3
    skewness = _skewness(values_N) * (1 + UNSEEN_EITHER_WAY / n)
    more = skewness**2 * (x**4 + 2 * x**2 - 3) / 18 - kurtosis * (x**2 - 3) / 12
    student = float(stdtrit(n - 1, (1 + confidence) / 2))
    return min(student + x / n * max(more, 0.0), MOST_WIDENING * student)


def _skewness(values_N: FloatArray) -> float:
    """Adjusted Fisher-Pearson."""
    n, central_N = values_N.size, values_N - values_N.mean()
    plain = float(np.mean(central_N**3) / np.mean(central_N**2) ** 1.5)
    return plain * math.sqrt(n * (n - 1)) / (n - 2)


def _studentised(quantile: float, n: int, skewness: float) -> float:
    """The T that Hall's transformation takes to ``quantile``."""
    if abs(skewness) < 1e-6:
        return quantile / math.sqrt(n)
    inside = 1 + skewness * (quantile / math.sqrt(n) - skewness / (6 * n))
    return 3 / skewness * (math.cbrt(inside) - 1)
