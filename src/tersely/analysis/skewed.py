"""Intervals of means and of ratios of means that allow for skewed values: lengths have a long right tail.

The t interval misses the mean of such values almost always on one side: a sample of 30 seldom holds as much of the tail
as the population, and where it does not, mean and standard deviation are both too small. Hall's transformation moves
both ends by what the skewness says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from tersely.records import FloatArray

FEWEST = 20
"""Values that an interval of a mean or a ratio needs; below, the tail is not in the sample (docs/metrics.md)."""

UNSEEN = 6.0
"""The sample's skewness is taken ``1 + UNSEEN / n`` times: a small sample shows less than there is."""


def mean_interval(values_N: FloatArray, confidence: float) -> tuple[float, float]:
    """Two-sided interval of the mean of independent values, skewed or not.

    With the studentised mean ``T = (mean - mu) / s`` and the skewness ``g``, ``sqrt(n) (T + g T^2 / 3 + g^2 T^3 / 27 +
    g / 6n)`` is normal up to terms of order 1 / n, and rises with T: its inverse at the quantiles ``+-q`` gives the
    ends (Hall 1992, JRSS B 54, "On the removal of skewness by transformation"). ``q`` is Student's with n - 1 degrees
    of freedom; ``g`` is the unbiased-for-the-normal sample skewness times ``1 + UNSEEN / n``. Mirrored values have
    the mirrored interval; without skewness it is the t interval.

    Needs at least three values that are not all equal: the caller's to see (``FEWEST``).
    """
    moments = _Moments.of(values_N, np.zeros_like(values_N))
    mean, spread, skewness = moments.at(0.0)
    quantile = _quantile(moments.n, confidence)
    low, high = (mean - spread * _studentised(end, moments.n, skewness) for end in (quantile, -quantile))
    return low, high


def ratio_interval(base_N: FloatArray, model_N: FloatArray, confidence: float) -> tuple[float, float] | None:
    """Two-sided interval of ``mean(model) / mean(base)`` of paired values, both of them 0 or more.

    The ratio is ``r`` where ``model - r base`` has the mean 0, so the interval holds every ``r`` for which
    ``mean_interval`` of those values holds 0 (Fieller 1954, JRSS B 16, with Hall's transformation in place of t).
    Units do not matter, and exchanging the sides gives the inverse. The low end is 0 where 0 cannot be excluded; None
    where no high end can be told (the base's mean may be 0).

    Needs means above 0 and, as ``mean_interval``, spread in ``model - ratio base``.
    """
    moments = _Moments.of(model_N, base_N)
    ratio = moments.means[0] / moments.means[1]
    quantile = _quantile(moments.n, confidence)

    def beyond(r: float, sign: int) -> bool:
        """Whether r lies outside: the transformed statistic of ``model - r base`` beyond the quantile."""
        return sign * moments.transformed(r) > quantile

    low = _edge(lambda r: beyond(r, 1), ratio, 0.0) if beyond(0.0, 1) else 0.0
    far = ratio
    while not beyond(far, -1):
        far *= 2.0
        if far > 1e6 * ratio:
            return None
    return low, _edge(lambda r: beyond(r, -1), ratio, far)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Joint moments of paired values (x, y) up to the third: those of ``x - r y`` follow for every r."""

    n: int
    means: tuple[float, float]
    second: tuple[float, float, float]
    """Central: xx, xy, yy (divided by n)."""
    third: tuple[float, float, float, float]
    """Central: xxx, xxy, xyy, yyy."""

    @classmethod
    def of(cls, x_N: FloatArray, y_N: FloatArray) -> _Moments:
        means = float(x_N.mean()), float(y_N.mean())
        x, y = x_N - means[0], y_N - means[1]
        second = [float(np.mean(product)) for product in (x * x, x * y, y * y)]
        third = [float(np.mean(product)) for product in (x * x * x, x * x * y, x * y * y, y * y * y)]
        return cls(x_N.size, means, (second[0], second[1], second[2]), (third[0], third[1], third[2], third[3]))

    def at(self, r: float) -> tuple[float, float, float]:
        """Mean, standard deviation (ddof 1) and skewness (as ``mean_interval`` takes it) of ``x - r y``."""
        n, (xx, xy, yy), (xxx, xxy, xyy, yyy) = self.n, self.second, self.third
        variance = max(xx - 2 * r * xy + r * r * yy, 0.0)
        cubed = xxx - 3 * r * xxy + 3 * r * r * xyy - r**3 * yyy
        skewness = cubed / variance**1.5 if variance > 0 else 0.0
        scale = math.sqrt(n * (n - 1)) / (n - 2) * (1 + UNSEEN / n)
        return self.means[0] - r * self.means[1], math.sqrt(variance * n / (n - 1)), skewness * scale

    def transformed(self, r: float) -> float:
        """Hall's transformation of the studentised mean of ``x - r y``: falls through 0 near the ratio."""
        mean, spread, g = self.at(r)
        if spread == 0.0:
            return math.copysign(math.inf, mean) if mean else 0.0
        t = mean / spread
        return math.sqrt(self.n) * (t + g * t * t / 3 + g * g * t**3 / 27 + g / (6 * self.n))


def _studentised(quantile: float, n: int, skewness: float) -> float:
    """The T that Hall's transformation takes to ``quantile``."""
    if abs(skewness) < 1e-6:
        return quantile / math.sqrt(n)
    inside = 1 + skewness * (quantile / math.sqrt(n) - skewness / (6 * n))
    return 3 / skewness * (math.cbrt(inside) - 1)


def _quantile(n: int, confidence: float) -> float:
    return float(stdtrit(n - 1, (1 + confidence) / 2))


def _edge(outside: Callable[[float], bool], inner: float, outer: float) -> float:
    """Where ``outside`` turns, between a point that is not and one that is."""
    for _ in range(60):
        middle = (inner + outer) / 2
        inner, outer = (inner, middle) if outside(middle) else (middle, outer)
    return (inner + outer) / 2
