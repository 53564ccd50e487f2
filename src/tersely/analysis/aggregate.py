"""Several data sets in one number: ratios to the base, their mean over the sets, and the accuracy-efficiency score.

The paper's aggregate (arXiv 2502.04463) is the unweighted mean over its five sets of (model / base), for accuracy and
for tokens. The sets are the ones chosen, not a sample of sets: only the problems within each are seen as drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.analysis.intervals import CONFIDENCE, Clusters, paired_ratio
from tersely.records import Estimate, EvalRecord, FloatArray, Unit

GAIN, LOSS = 3.0, 5.0
"""Weights of relative gains and losses of accuracy in AES (O1-Pruner, Luo et al. 2025, arXiv:2501.12570)."""

MEAN_OF_RATIOS = "from the intervals of the sets, sets fixed (MOVER)"
SCORE = f"quantiles over both ratios varying together by the delta method, t over {Unit.PROBLEMS}"
DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class PairedSet:
    """One data set answered by base and model: problem means, problem by problem.

    Accuracy is over problems judged on both sides, tokens over all; both hold the same problems in the same order,
    nan where a problem has no judged response. Made by ``pair``.
    """

    name: str
    correct_base_P: FloatArray
    correct_model_P: FloatArray
    tokens_base_P: FloatArray
    tokens_model_P: FloatArray


@dataclass(frozen=True, slots=True)
class Ratios:
    """A model against its base on one set."""

    name: str
    accuracy: Estimate
    tokens: Estimate
    aes: Estimate


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A model against its base over a suite."""

    sets: tuple[Ratios, ...]
    accuracy: Estimate
    """Mean over sets of the accuracy ratio; ``n`` counts sets."""
    tokens: Estimate
    aes: Estimate
    """Of the two means above."""


def aes(accuracy_ratio: float, token_ratio: float) -> float:
    """Accuracy-efficiency score: ``(1 - token_ratio) + 3 d`` for ``d = accuracy_ratio - 1 >= 0``, else ``+ 5 d``."""
    change = accuracy_ratio - 1.0
    return (1.0 - token_ratio) + (GAIN if change >= 0 else LOSS) * change


def mean_of_ratios(ratios: Sequence[float]) -> float:
    """The paper's aggregate: every set weighs the same."""
    return math.fsum(ratios) / len(ratios)


def pair(
    name: str, base_correct: Clusters, model_correct: Clusters, base_tokens: Clusters, model_tokens: Clusters
) -> PairedSet:
    """Two evaluations of one set side by side. Different problems, or none, are a ValueError."""
    problems = list(base_tokens)
    if not problems or set(problems) != set(model_tokens):
        raise ValueError(f"{name}: ratios need the same problems on both sides, and at least one")
    columns = [_means(c, problems) for c in (base_correct, model_correct, base_tokens, model_tokens)]
    lost = np.isnan(columns[0]) | np.isnan(columns[1])
    columns[0][lost] = columns[1][lost] = np.nan
    return PairedSet(name, *columns)


def pair_records(name: str, base: Sequence[EvalRecord], model: Sequence[EvalRecord]) -> PairedSet:
    """``pair`` of evaluated responses; that they are comparable is for the caller to know (``require_comparable``)."""
    right, tokens = accuracy_clusters, token_clusters
    return pair(name, right(base), right(model), tokens(base), tokens(model))


def aggregate_sets(sets: Sequence[PairedSet]) -> Aggregate:
    """Ratios of every set and of the whole. No sets, or a base that solves nothing of a set, is a ValueError.

    Accuracy and token ratios of one set are ``paired_ratio``'s. Their means over S sets reach as far below as
    ``sqrt(sum (r_s - low_s)^2) / S`` and likewise above (Zou and Donner 2008, Statistics in Medicine 27): sets are
    independent, and each side keeps its own reach, so the mean allows for skewness as the ratios do. AES has a kink
    where accuracy is kept, so its interval holds the middle 95 % of the scores of ``DRAWS`` pairs of ratios, drawn
    (always the same) from a bivariate t with the delta method's covariance. A set without an interval (one problem,
    no spread) leaves the whole without one.
    """
    if not sets:
        raise ValueError("an aggregate needs at least one set")
    pairs = [_pair_of_ratios(one) for one in sets]
    spreads = [_spread(one) for one in sets]
    found = tuple(
        Ratios(one.name, *ratios, _score(*ratios, [spread]))
        for one, ratios, spread in zip(sets, pairs, spreads, strict=True)
    )
    accuracy, tokens = (_mean_estimate([ratios[place] for ratios in pairs]) for place in (0, 1))
    return Aggregate(found, accuracy, tokens, _score(accuracy, tokens, spreads))


def _means(clusters: Clusters, problems: Sequence[str]) -> FloatArray:
    """[P] mean of each problem, nan where there is nothing."""
    return np.array([_mean(clusters.get(problem, ())) for problem in problems], dtype=np.float64)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _pair_of_ratios(one: PairedSet) -> tuple[Estimate, Estimate]:
    kept = ~np.isnan(one.correct_base_P)
    if not kept.any() or one.correct_base_P[kept].sum() <= 0:
        raise ValueError(f"{one.name}: the base solves nothing there, so there is no ratio to it")
    accuracy = paired_ratio(_clusters(one.correct_base_P[kept]), _clusters(one.correct_model_P[kept]))
    return accuracy, paired_ratio(_clusters(one.tokens_base_P), _clusters(one.tokens_model_P))


def _clusters(values_P: FloatArray) -> dict[str, list[float]]:
    return {str(i): [float(value)] for i, value in enumerate(values_P)}


@dataclass(frozen=True, slots=True)
class _Spread:
    """How the two ratios of one set vary over problems."""

    covariance: FloatArray
    """[2, 2] of (accuracy ratio, token ratio)."""
    problems: tuple[int, int]
    """Behind each of them."""


def _spread(one: PairedSet) -> _Spread:
    """The delta method: each ratio's part of every problem, ``r (m_i / M - b_i / B) / n``, and their sums of squares.

    Written as ``(m_i - r b_i) / (B n)``, so that M may be 0; the parts sum to 0.
    """
    right, n_right = _parts(one.correct_base_P, one.correct_model_P)
    spent, n_spent = _parts(one.tokens_base_P, one.tokens_model_P)
    parts_2P = np.stack([right, spent])
    counts = np.array([n_right, n_spent], dtype=np.float64)
    unbiased = np.sqrt(counts / np.maximum(counts - 1, 1))
    return _Spread(parts_2P @ parts_2P.T * np.outer(unbiased, unbiased), (n_right, n_spent))


def _parts(base_P: FloatArray, model_P: FloatArray) -> tuple[FloatArray, int]:
    kept = ~np.isnan(base_P)
    base, model = np.where(kept, base_P, 0.0), np.where(kept, model_P, 0.0)
    parts: FloatArray = (model - model.sum() / base.sum() * base) / base.sum()
    return parts, int(kept.sum())


def _freedom(spreads: Sequence[_Spread], place: int) -> float:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946, Biometrics Bulletin 2)."""
    variances = [(float(s.covariance[place, place]), s.problems[place]) for s in spreads]
    return math.fsum(v for v, _ in variances) ** 2 / math.fsum(v**2 / (n - 1) for v, n in variances)


def _mean_estimate(ratios: Sequence[Estimate]) -> Estimate:
    value, count = mean_of_ratios([r.value for r in ratios]), len(ratios)
    below, above = [], []
    for ratio in ratios:
        if ratio.low is None or ratio.high is None:
            lacking = f"{ratio.method} in one of the sets" if count > 1 else ratio.method
            return Estimate(value, None, None, count, lacking, Unit.SETS)
        below.append(ratio.value - ratio.low)
        above.append(ratio.high - ratio.value)
    low, high = value - math.hypot(*below) / count, value + math.hypot(*above) / count
    return Estimate(value, low, high, count, MEAN_OF_RATIOS, Unit.SETS)


def _score(accuracy: Estimate, tokens: Estimate, spreads: Sequence[_Spread]) -> Estimate:
    value = aes(accuracy.value, tokens.value)
    for part in (accuracy, tokens):
        if part.low is None:
            return Estimate(value, None, None, part.n, part.method, part.unit)
    covariance = sum((s.covariance for s in spreads), np.zeros((2, 2))) / len(spreads) ** 2
    freedom = min(_freedom(spreads, 0), _freedom(spreads, 1))
    rng = np.random.default_rng(0)
    normal_2D = np.linalg.cholesky(covariance + 1e-18 * np.eye(2)) @ rng.standard_normal((2, DRAWS))
    drawn_2D = normal_2D / np.sqrt(rng.chisquare(freedom, DRAWS) / freedom)
    change_D = accuracy.value + drawn_2D[0] - 1.0
    scores_D = 1.0 - tokens.value - drawn_2D[1] + np.where(change_D >= 0, GAIN, LOSS) * change_D
    low, high = np.quantile(scores_D, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), accuracy.n, SCORE, accuracy.unit)
