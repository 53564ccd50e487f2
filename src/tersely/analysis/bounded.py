"""Bounds for the mean of bounded values that hold when a few problems are always lost.

Whoever says "loses at most one point" must not be misled by a sample in which, by luck, the rare lost problems are
missing: there the values have hardly any spread, and t is sure of what it has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtri

from tersely.records import FloatArray

_PATH_U = np.linspace(0.0, 14.0, 201)
"""Where the contour is walked: ``y = w sinh(u)``, dense at the saddle and far-reaching."""


def loss_bound(changes: Sequence[float] | FloatArray, confidence: float = 0.95) -> float:
    """The largest loss that problems do not exclude, as a change: the lower bound of the mean of ``changes``.

    ``changes`` holds, for each problem, the model's share of correct responses minus the base's, each in [-1, 1]; the
    problems are independent draws. "Loses at most X" is certified where the bound is at least -X.

    The bound is the ``1 - confidence`` quantile of ``sum_i W_i d_i``, ``i = 0..n``, over weights ``W`` uniform on the
    simplex (Dirichlet(1, ..., 1)), with one lost problem added to the sample: ``d_0 = -1``. So even n changes of 0
    leave a loss of ``1 - (1 - confidence)^(1/n)`` open, and no fewer than ``fewest_problems(X)`` certify X. For
    changes of 0 and -1 alone it is the exact bound of Clopper and Pearson (1934); for many problems it approaches the
    normal one. Source: Gaffke 2005 (Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable, Math. Methods of Statistics 14), put this way by Learned-Miller and Thomas 2019
    (arXiv:1905.06208). That it holds for every distribution is a conjecture without a known counterexample;
    docs/metrics.md has what was simulated.

    It is for a number of problems fixed in advance. Looking several times, share 1 - confidence out among the looks.
    Degenerate: one problem is enough for a (weak) bound; changes of -1 only give -1. None at all, a change outside
    [-1, 1] or a confidence outside (0.5, 1) is a ValueError.
    """
    return mean_bound(np.asarray(changes, dtype=np.float64), -1.0, 1.0, confidence)


def fewest_problems(loss: float, confidence: float = 0.95) -> int:
    """How many problems it takes to certify "loses at most ``loss``" (a share) if not one of them loses anything."""
    if not 0 < loss < 1:
        raise ValueError(f"a loss lies between 0 and 1, not at {loss}")
    return math.ceil(math.log(1 - confidence) / math.log(1 - loss) - 1e-9)


def mean_interval_within(values_N: FloatArray, least: float, most: float, confidence: float) -> tuple[float, float]:
    """Two-sided interval of the mean of values in [least, most]: both one-sided bounds at half the error each."""
    each = (1 + confidence) / 2
    return mean_bound(values_N, least, most, each), -mean_bound(-values_N, -most, -least, each)


def mean_bound(values_N: FloatArray, least: float, most: float, confidence: float) -> float:
    """Lower bound of the mean of values in [least, most]: see ``loss_bound``, which is this for [-1, 1].

    The quantile is exact, not drawn: the ``c`` at which ``chance_at_most`` is ``1 - confidence``.
    """
    if not values_N.size or values_N.min() < least or values_N.max() > most:
        raise ValueError(f"a bound needs at least one value, and all of them between {least} and {most}")
    if not 0.5 < confidence < 1:
        raise ValueError(f"a confidence lies between 0.5 and 1, not at {confidence}")
    found_D, counts_D = _counted(values_N, least)
    goal = ndtri(1 - confidence)

    def excess(at: float) -> float:
        """Probit of the chance that the weighted mean is at most ``at``, minus the wanted one: nearly straight."""
        return max(float(ndtri(_chance_of_less(found_D - at, counts_D)) - goal), -40.0)

    return _root(excess, least, float(found_D @ counts_D) / (values_N.size + 1), 1e-10 * (most - least))


def chance_at_most(values_N: FloatArray, least: float, at: float) -> float:
    """``P(sum_i W_i v_i <= at)`` for Dirichlet(1, ..., 1) weights over the values and ``least``; at most 0.5.

    The p-value of "the mean is ``at`` or less": ``mean_bound`` lies above ``at`` where it is below ``1 -
    confidence``. It is ``P(sum E_i (v_i - at) <= 0)`` for independent exponential ``E_i``.
    """
    found_D, counts_D = _counted(values_N, least)
    return _chance_of_less(found_D - at, counts_D)


def _counted(values_N: FloatArray, least: float) -> tuple[FloatArray, FloatArray]:
    """The different values, the one that is added among them, and how often each stands there."""
    found_D, times_D = np.unique(np.append(values_N, least), return_counts=True)
    return found_D, times_D.astype(np.float64)


def _root(rising: Callable[[float], float], low: float, high: float, within: float) -> float:
    """Where a rising function goes through 0, from negative at ``low`` to positive at ``high``.

    By the chord, halving the weight of an end that stays (the Illinois method): some ten calls.
    """
    below, above, side = rising(low), rising(high), 0
    while high - low > within:
        middle = low + (high - low) * below / (below - above)
        score = rising(middle)
        if abs(score) <= 1e-9:
            return middle
        if score < 0:
            low, below, above = middle, score, above / 2 if side < 0 else above
        else:
            high, above, below = middle, score, below / 2 if side > 0 else below
        side = -1 if score < 0 else 1
    return low


def _chance_of_less(values_D: FloatArray, counts_D: FloatArray) -> float:
    """``P(S <= 0)`` of ``S = sum_d v_d Gamma(n_d)``, a weighted sum of exponentials; 0.5 if its mean is not above 0.

    With ``K(s) = -sum n_d log(1 - s v_d)`` it is ``-1/pi`` times the integral over y > 0 of the real part of
    ``exp(K(s)) / s`` along ``s = s0 + iy``, ``s0 < 0`` the saddle point ``K'(s0) = 0``, where the integrand has its
    one smooth hill. Walked as ``y = w sinh(u)``, ``w = K''(s0)^-1/2``, the trapezoidal rule is exact to some ten
    digits.
    """
    if values_D.min() >= 0:
        return 0.0
    if float(values_D @ counts_D) <= 0:
        return 0.5
    saddle = _saddle(values_D, counts_D)
    curvature = float(counts_D @ (values_D / (1 - saddle * values_D)) ** 2)
    reach = 1 / math.sqrt(curvature)
    path = saddle + 1j * reach * np.sinh(_PATH_U)
    heights = np.exp(-(counts_D @ np.log(1 - values_D[:, None] * path))) / path
    areas = (heights.real * reach * np.cosh(_PATH_U))[1:].sum() + heights.real[0] * reach / 2
    return min(max(-float(areas * (_PATH_U[1] - _PATH_U[0])) / math.pi, 0.0), 0.5)


def _saddle(values_D: FloatArray, counts_D: FloatArray) -> float:
    """The s < 0 at which ``sum n v / (1 - s v)`` is 0, about; it rises with s from minus infinity at ``1 / min v``."""
    low, high = 1 / float(values_D.min()), 0.0
    for _ in range(40):
        middle = (low + high) / 2
        if float(counts_D @ (values_D / (1 - middle * values_D))) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
