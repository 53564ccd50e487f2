"""Known truths to draw evaluations from: what benchmarks/intervals.py holds the intervals against.

Responses are siblings: each problem has its own length or chance, and its k responses vary about it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from tersely.analysis.aggregate import PairedSet, pair

Lengths = Callable[[np.random.Generator, int, int], tuple[np.ndarray, float]]
"""(rng, problems, responses) -> lengths [P, K] and the true mean."""

SIBLINGS = 0.4
"""Standard deviation of the log length among the responses to one problem."""


def siblings(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Lognormal factors of mean 1."""
    return np.exp(SIBLINGS * rng.standard_normal(shape) - SIBLINGS**2 / 2)


def gamma(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, float]:
    return rng.gamma(3, 20, n)[:, None] * siblings(rng, n, k), 60.0


def lognormal(sigma: float) -> Lengths:
    def draw(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, float]:
        means_P = np.exp(sigma * rng.standard_normal(n) - sigma**2 / 2)
        return means_P[:, None] * siblings(rng, n, k), 1.0

    return draw


def loops(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, float]:
    """Mean 800 tokens; one problem in ten never ends in half of its responses, which cost 16,000."""
    lengths_PK = 800 * np.exp(0.6 * rng.standard_normal(n) - 0.18)[:, None] * siblings(rng, n, k)
    endless_PK = (rng.random(n) < 0.1)[:, None] & (rng.random((n, k)) < 0.5)
    return np.where(endless_PK, 16_000.0, lengths_PK), 0.95 * 800 + 0.05 * 16_000


@cache
def adaptive_mean() -> float:
    """True mean of the model's lengths where easy problems save more (``savings``), by many draws."""
    z = np.random.default_rng(0).standard_normal(4_000_000)
    return float(np.mean(np.exp(0.8 * z) * kept(z)))


def kept(z: np.ndarray) -> np.ndarray:
    """Share of its tokens that a problem keeps: short ones (z < 0) a fifth, long ones nearly all."""
    return np.clip(0.6 + 0.25 * z, 0.1, 1.0)


def savings(
    rng: np.random.Generator, n: int, k: int, adaptive: bool
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Lengths of base and model [P, K], and both true means; the model keeps 60 % of the tokens at the median."""
    z = rng.standard_normal(n)
    scale_P = np.exp(0.8 * z)
    share_P = kept(z) if adaptive else np.full(n, 0.6)
    base_PK, model_PK = scale_P[:, None] * siblings(rng, n, k), (scale_P * share_P)[:, None] * siblings(rng, n, k)
    base = float(np.exp(0.32))
    return base_PK, model_PK, (base, adaptive_mean() if adaptive else 0.6 * base)


def answers(rng: np.random.Generator, chance_P: np.ndarray, k: int) -> np.ndarray:
    """[P, K] of 0 and 1."""
    return (rng.random((chance_P.size, k)) < chance_P[:, None]) * 1.0


def loses(rng: np.random.Generator, world: str, n: int, k: int, loss: float) -> tuple[np.ndarray, np.ndarray]:
    """Answers of base and model [P, K]; the true change is exactly ``-loss``."""
    u, ones = rng.random(n), np.ones(n)
    if world == "lost":
        return answers(rng, ones, k), answers(rng, 1.0 * (u >= loss), k)
    if world == "half":
        return answers(rng, ones, k), answers(rng, np.where(u < 2 * loss, 0.5, 1.0), k)
    if world == "spread":
        return answers(rng, 0.96 * ones, k), answers(rng, (0.96 - loss) * ones, k)
    chance_P = rng.beta(19, 1, n) if world == "lost, noise" else rng.beta(8, 2, n)
    lost, won = (loss, 0.0) if world == "lost, noise" else (2 * loss, loss)
    base_P = np.where(u < lost, 1.0, np.where(u < lost + won, 0.0, chance_P))
    model_P = np.where(u < lost, 0.0, np.where(u < lost + won, 1.0, chance_P))
    return answers(rng, base_P, k), answers(rng, model_P, k)


def suite(rng: np.random.Generator) -> list[PairedSet]:
    """Sets of another difficulty each; the model keeps 95 % of the accuracy and 60 % of the tokens on average."""
    sets = []
    for place, (problems, k) in enumerate([(30, 10), (200, 3), (120, 1)]):
        ease_P = rng.beta(4, 2, problems)
        right = [rng.binomial(k, chance_P, problems) / k for chance_P in (ease_P, 0.95 * ease_P)]
        heavy_P = rng.gamma(2.0, 400.0 * (place + 1), problems)
        spent = [heavy_P * rng.gamma(20, 1 / 20, problems), 0.6 * heavy_P * rng.gamma(10, 1 / 10, problems)]
        columns = [{str(i): [v] for i, v in enumerate(values_P.tolist())} for values_P in (*right, *spent)]
        sets.append(pair(f"s{place}", *columns))
    return sets


Heap = Callable[[np.random.Generator, int], np.ndarray]
"""(rng, seeds) -> how the log of each seed's mean length lies about the setting's."""


@cache
def mean_factor(heap: Heap) -> float:
    """The true ratio of a setting: 0.6 times the mean over seeds, by many draws."""
    return float(0.6 * np.mean(np.exp(heap(np.random.default_rng(0), 4_000_000))))


def ratios_of_seeds(rng: np.random.Generator, log_S: np.ndarray, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ratio of each seed to one base on the same problems, and its standard error (delta method)."""
    scale_P = rng.gamma(4, 25, n)
    # The mean of k lognormal siblings, drawn as a gamma of the same mean and variance.
    shape = k / (np.exp(SIBLINGS**2) - 1)
    base_P = scale_P * rng.gamma(shape, 1 / shape, n)
    # What a problem saves is its own, the same for every seed: problems' part of the error does not average away.
    share_P = 0.6 * rng.gamma(20, 1 / 20, n)
    model_SP = scale_P * share_P * np.exp(log_S)[:, None] * rng.gamma(shape, 1 / shape, (log_S.size, n))
    ratio_S = model_SP.mean(axis=1) / base_P.mean()
    terms_SP = (model_SP - ratio_S[:, None] * base_P) / base_P.mean()
    return ratio_S, terms_SP.std(axis=1, ddof=1) / np.sqrt(n)


def family(rng: np.random.Generator, heap: Heap, members: int, seeds: int, n: int, k: int) -> list[np.ndarray]:
    """For each member [S, P] mean lengths; the members' seeds differ, their settings do nothing."""
    scale_P = rng.gamma(4, 25, n)
    shape = k / (np.exp(SIBLINGS**2) - 1)
    logs = [heap(rng, seeds) for _ in range(members)]
    return [scale_P * np.exp(log_S)[:, None] * rng.gamma(shape, 1 / shape, (seeds, n)) for log_S in logs]
