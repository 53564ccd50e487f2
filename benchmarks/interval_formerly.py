"""The intervals that were printed before, for the second number in each cell of benchmarks/results/intervals.md."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit


def t_interval(values_P: np.ndarray) -> tuple[float, float] | None:
    """``mean +- t s / sqrt(n)``; nothing where all values are equal."""
    error = values_P.std(ddof=1) / np.sqrt(values_P.size)
    reach = stdtrit(values_P.size - 1, 0.975) * error
    return None if error == 0 else (values_P.mean() - reach, values_P.mean() + reach)


def delta_ratio(base_P: np.ndarray, model_P: np.ndarray) -> tuple[float, float]:
    """Delta method on the log ratio."""
    ratio = model_P.mean() / base_P.mean()
    terms_P = model_P / model_P.mean() - base_P / base_P.mean()
    reach = stdtrit(terms_P.size - 1, 0.975) * terms_P.std(ddof=1) / np.sqrt(terms_P.size)
    return ratio * np.exp(-reach), ratio * np.exp(reach)


def t_over_seeds(values_S: np.ndarray) -> tuple[float, float]:
    """t over the seeds' values, as if they were normal."""
    reach = stdtrit(values_S.size - 1, 0.975) * values_S.std(ddof=1) / np.sqrt(values_S.size)
    return values_S.mean() - reach, values_S.mean() + reach
