"""Estimates with 95 % intervals for responses that come in clusters, one cluster a problem.

The k responses to one problem are siblings, not independent draws: some problems are easy for all of them. So the
unit is the problem. Each problem is reduced to the mean of its responses, and every interval here is computed from
those n means; k only makes them less noisy. Problems are seen as drawn from a larger set of the same kind.

``Clusters`` maps a problem id to the values of its responses (any number of at least one).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtri, stdtrit

from tersely.analysis.bounded import mean_interval_within
from tersely.analysis.skewed import FEWEST, difference_interval, mean_interval, ratio_interval
from tersely.records import Estimate, FloatArray, Unit

Clusters = Mapping[str, Sequence[float]]

CONFIDENCE = 0.95

MEAN = f"t over {Unit.PROBLEMS}, skewness allowed for (Hall)"
PAIRED = f"paired t over {Unit.PROBLEMS}, skewness allowed for (Edgeworth)"
PAIRED_RATES = f"paired exact bounds over {Unit.PROBLEMS} (Gaffke)"
WILSON_EFFECTIVE = f"Wilson over {Unit.PROBLEMS} (effective n)"
WILSON_PLAIN = f"Wilson (n = {Unit.PROBLEMS}; no spread between {Unit.PROBLEMS})"
RATIO = f"paired ratio over {Unit.PROBLEMS}, skewness allowed for (Fieller, Edgeworth)"
ONLY_ONE = f"no interval: fewer than two {Unit.PROBLEMS}"
TOO_FEW = f"no interval: too few to say (fewer than {FEWEST} {Unit.PROBLEMS})"
NO_SPREAD = f"no interval: no spread between {Unit.PROBLEMS}"
ZERO_MEAN = "no interval: a mean of zero"
BASE_NEAR_ZERO = "no interval: too few to say (the base's mean may be zero)"


def clustered_mean(clusters: Clusters) -> Estimate:
    """Mean of a quantity that is never negative (tokens, counts), every problem weighing the same.

    The value is the mean of the problem means ``m_i``, ``i = 1..n``; with equally many responses a problem that is the
    plain mean over responses. The interval is the t interval over the ``m_i`` (Miller 2024, arXiv:2411.00640, section
    2.2) corrected for their skewness (``skewed.mean_interval``), and not below 0.

    Degenerate: fewer than ``FEWEST`` problems or all ``m_i`` equal has no interval, and ``method`` says which; an empty
    mapping is a ValueError.
    """
    return clipped(_mean_estimate(_means(clusters), MEAN, mean_interval, CONFIDENCE), 0.0, math.inf)


def clustered_rate(clusters: Clusters) -> Estimate:
    """Share of responses for which something holds (values 0 or 1), with an interval inside [0, 1].

    The t interval is too short near 0 and 1, where accuracies of good models lie, so the Wilson score interval is
    used with the effective number of responses ``m = p (1 - p) / se^2``, ``se`` the standard error of the mean of
    the problem means, and the t quantile ``q`` with n - 1 degrees of freedom:
    ``(p + q^2 / 2m +- q sqrt(p (1 - p) / m + q^2 / 4m^2)) / (1 + q^2 / m)``.
    ``m`` is at least n - 1 by construction and is capped at the number of responses. Source: Wilson 1927 (JASA 22);
    effective size as in Korn and Graubard 1998 (Survey Methodology 24).

    Degenerate: all problem means equal (an accuracy of 0 or 1, say) gives the plain Wilson interval with m = n and
    the normal quantile; n = 1 has no interval; an empty mapping is a ValueError.
    """
    return _rate_estimate(_means(clusters), sum(len(values) for values in clusters.values()))


def paired_difference(base: Clusters, model: Clusters, rates: bool = False, comparisons: int = 1) -> Estimate:
    """Mean of ``model - base`` on the same problems, from the n differences of problem means.

    Pairing removes the part of the spread that comes from problems being easy or hard for both. The interval is the t
    interval over the differences, widened for their skewness (``skewed.difference_interval``); with ``rates`` (values
    in [0, 1]) both ends are bounds that hold when a few problems are always lost or won (``bounded.loss_bound``), and
    there is an interval from two problems on, whatever they are. Of several ``comparisons`` each gets its share of the
    5 % (Bonferroni), so that all of them hold together in 95 %.

    Degenerate: one problem, and without ``rates`` fewer than ``FEWEST`` or all differences equal, has no interval.
    Different problems are a ValueError.
    """
    base_P, model_P = _paired_means(base, model)
    confidence = 1 - (1 - CONFIDENCE) / comparisons
    if not rates:
        return _mean_estimate(model_P - base_P, PAIRED, difference_interval, confidence)
    differences_P = model_P - base_P
    value, n = float(differences_P.mean()), differences_P.size
    if n < 2:
        return Estimate(value, None, None, n, ONLY_ONE)
    low, high = mean_interval_within(differences_P, -1.0, 1.0, confidence)
    return Estimate(value, min(low, value), max(high, value), n, PAIRED_RATES)


def paired_ratio(base: Clusters, model: Clusters) -> Estimate:
    """Ratio of means ``r = mean(model) / mean(base)`` on the same problems, of values that are never negative.

    It is the ratio of means, not the mean of ratios: what is saved of the tokens that are paid for. The interval holds
    every r for which the mean of ``m_i - r b_i`` over problem means may be 0, skewness allowed for
    (``skewed.ratio_interval``): it holds when long problems save another share than short ones.

    Degenerate: fewer than ``FEWEST`` problems, no spread of ``m_i - r b_i``, a model mean of zero, or a base mean that
    may be zero has no interval. A base mean of zero has no ratio at all: a ValueError, as are different problems.
    """
    base_P, model_P = _paired_means(base, model)
    n, base_mean, model_mean = base_P.size, float(base_P.mean()), float(model_P.mean())
    if base_mean <= 0:
        raise ValueError("a ratio needs a base mean above zero")
    ratio = model_mean / base_mean
    if n < FEWEST:
        return Estimate(ratio, None, None, n, ONLY_ONE if n < 2 else TOO_FEW)
    if model_mean <= 0:
        return Estimate(ratio, None, None, n, ZERO_MEAN)
    if _no_spread(model_P / model_mean - base_P / base_mean):
        return Estimate(ratio, None, None, n, NO_SPREAD)
    found = ratio_interval(base_P, model_P, CONFIDENCE)
    if found is None:
        return Estimate(ratio, None, None, n, BASE_NEAR_ZERO)
    return Estimate(ratio, min(found[0], ratio), max(found[1], ratio), n, RATIO)


def paired_saving(base: Clusters, model: Clusters) -> Estimate:
    """Share of the base's tokens that is saved: ``1 - paired_ratio``, its interval mirrored with it.

    0.4 means 40 % fewer tokens; below 0 the model is longer than the base.
    """
    ratio = paired_ratio(base, model)
    low = None if ratio.high is None else 1 - ratio.high
    high = None if ratio.low is None else 1 - ratio.low
    return replace(ratio, value=1 - ratio.value, low=low, high=high)


def pass_at_k(correct: Clusters, k: int) -> Estimate:
    """Chance that at least one of k responses is correct, averaged over problems.

    For a problem with ``n`` responses of which ``c`` are correct the estimator without bias is
    ``1 - C(n - c, k) / C(n, k)`` (Chen et al. 2021, arXiv:2107.03374, equation 1). Interval as in ``clustered_rate``,
    so that pass@1 is the accuracy with the accuracy's interval.

    Problems with fewer than k responses cannot say anything about k and are left out; ``n`` of the estimate counts
    the others. None left, or k < 1, is a ValueError.
    """
    if k < 1:
        raise ValueError(f"pass@k needs k of at least 1, not {k}")
    usable = [values for values in correct.values() if len(values) >= k]
    if not usable:
        raise ValueError(f"pass@{k} needs a problem with at least {k} responses")
    chances_P = np.array([_pass_chance(len(values), round(sum(values)), k) for values in usable])
    return _rate_estimate(chances_P, sum(len(values) for values in usable))


def difference_of_estimates(
    first: Estimate, second: Estimate, method: str = "from two intervals (MOVER)", comparisons: int = 1
) -> Estimate:
    """``second - first`` from two intervals alone, as if independent (Zou and Donner 2008, Statistics in Medicine 27).

    For values on the same problems ``paired_difference`` is sharper; this one is for when only the two estimates are
    known. Of several ``comparisons`` each reaches as much further as the normal quantile of its share of the 5 % does.
    Without either interval the difference has none. Its unit is that of ``first``.
    """
    value, n = second.value - first.value, min(first.n, second.n)
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Estimate(value, None, None, n, "no interval: one side has none", first.unit)
    each = (1 - CONFIDENCE) / 2
    wider = float(ndtri(each / comparisons) / ndtri(each))
    low = value - wider * math.hypot(second.value - second.low, first.high - first.value)
    high = value + wider * math.hypot(second.high - second.value, first.value - first.low)
    return Estimate(value, low, high, n, method, first.unit)


def clipped(estimate: Estimate, least: float, most: float) -> Estimate:
    """The estimate with its interval cut to what is possible; its value is left as it is."""
    low = None if estimate.low is None else max(least, estimate.low)
    high = None if estimate.high is None else min(most, estimate.high)
    return replace(estimate, low=low, high=high)


def _means(clusters: Clusters) -> FloatArray:
    """[P] mean of each problem, in the order of the mapping."""
    if not clusters or not all(len(values) for values in clusters.values()):
        raise ValueError("an estimate needs at least one problem, and every problem at least one value")
    return np.array([math.fsum(values) / len(values) for values in clusters.values()], dtype=np.float64)


def _paired_means(base: Clusters, model: Clusters) -> tuple[FloatArray, FloatArray]:
    """[P], [P] means of both on the same problems, in the base's order."""
    if set(base) != set(model):
        raise ValueError("a paired estimate needs the same problems on both sides")
    return _means(base), _means({problem: model[problem] for problem in base})


def _mean_estimate(
    values_P: FloatArray,
    method: str,
    interval: Callable[[FloatArray, float], tuple[float, float]],
    confidence: float,
) -> Estimate:
    n, mean = values_P.size, float(values_P.mean())
    if n < FEWEST:
        return Estimate(mean, None, None, n, ONLY_ONE if n < 2 else TOO_FEW)
    if _no_spread(values_P):
        return Estimate(mean, None, None, n, NO_SPREAD)
    low, high = interval(values_P, confidence)
    return Estimate(mean, min(low, mean), max(high, mean), n, method)


def _rate_estimate(means_P: FloatArray, responses: int) -> Estimate:
    """See ``clustered_rate``; ``means_P`` lie in [0, 1], so their variance is at most that of a coin."""
    n, rate = means_P.size, float(means_P.mean())
    if n < 2:
        return Estimate(rate, None, None, n, ONLY_ONE)
    if _no_spread(means_P):
        low, high = _wilson(rate, float(n), float(ndtri((1 + CONFIDENCE) / 2)))
        return Estimate(rate, low, high, n, WILSON_PLAIN)
    variance = float(means_P.var(ddof=1)) / n
    low, high = _wilson(rate, min(rate * (1 - rate) / variance, float(responses)), _t_quantile(n))
    return Estimate(rate, low, high, n, WILSON_EFFECTIVE)


def _no_spread(values_P: FloatArray) -> bool:
    """All equal, up to the last bits of a sum (means of 3 and of 6 thirds differ by rounding)."""
    scale = max(1.0, float(np.abs(values_P).max()))
    return float(np.ptp(values_P)) <= 1e-12 * scale


def _t_quantile(n: int) -> float:
    """Quantile of Student's t for a two-sided interval over n units."""
    return float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))


def _wilson(rate: float, size: float, quantile: float) -> tuple[float, float]:
    """Wilson score interval of ``rate`` seen in ``size`` draws; contains ``rate`` and lies in [0, 1]."""
    square = quantile * quantile
    centre = rate + square / (2 * size)
    reach = quantile * math.sqrt(rate * (1 - rate) / size + square / (4 * size * size))
    scale = 1 + square / size
    low, high = (centre - reach) / scale, (centre + reach) / scale
    # At 0 and 1 the bound equals the rate exactly; rounding must not push it past.
    return max(0.0, min(low, rate)), min(1.0, max(high, rate))


def _pass_chance(n: int, c: int, k: int) -> float:
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)
