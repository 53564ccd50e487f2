"""Several trained models of one setting: what another seed, and other problems, would give.

Training runs differ by more than noise: a habit is kept by one seed and dropped by the next, so that results fall into
two heaps. Three seeds of one heap agree, and t over them is then sure of the wrong thing (docs/metrics.md: it holds
the truth in 48 to 75 %). So few seeds are shown, not summed up in an interval.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from tersely.analysis.intervals import CONFIDENCE, Clusters, paired_difference
from tersely.analysis.paired import judged_in_both
from tersely.records import Estimate, Unit

FEWEST_SEEDS = 10
"""Seeds that an interval of a mean needs: with two equally likely heaps it then holds in at least 93 %."""
FEWEST_SEEDS_OF_A_STEP = 5
"""Seeds that an interval of a difference between two settings needs."""

OVER_SEEDS = f"over {Unit.SEEDS} and {Unit.PROBLEMS} (both variances, Satterthwaite t)"
FEW_SEEDS = f"no interval: too few {Unit.SEEDS} to say (fewer than {{fewest}})"
SEED_WITHOUT = f"no interval: one of the {Unit.SEEDS} has none"
THESE_MODELS = f"for these trained models, other {Unit.PROBLEMS}"
JOINTLY = "{comparisons} comparisons together"


@dataclass(frozen=True, slots=True)
class SeedMean(Estimate):
    """A mean over several seeds that remembers them: few are shown one by one."""

    seeds: tuple[float, ...] = ()


def over_seeds(
    estimates: Sequence[Estimate | None],
    bounds: tuple[float, float] = (-math.inf, math.inf),
    fewest: int = FEWEST_SEEDS,
    comparisons: int = 1,
) -> Estimate | None:
    """One seed's estimate as it is; several seeds as their mean, with an interval from ``fewest`` seeds on.

    The interval is for another seed's mean on other problems. All seeds answered the same problems, so what these
    problems do is not averaged away: the variance is ``s^2 / S + mean(e^2)``, ``s`` the standard deviation of the S
    values and ``e`` the standard error over problems of each, read back from its interval. Both parts hold the noise
    of sampling, so it errs to the wide side. Degrees of freedom after Satterthwaite 1946 (Biometrics Bulletin
    2): S - 1 for the first part, n - 1 for the second. Seeds that agree leave the part of the problems.

    Seeds that cannot tell (None) are left out. The interval is cut to ``bounds``; of several ``comparisons`` each gets
    its share of the 5 %. Without an interval ``method`` says why; nobody at all is None.
    """
    known = [estimate for estimate in estimates if estimate is not None]
    if len(known) < 2:
        return known[0] if known else None
    values = tuple(estimate.value for estimate in known)
    count, value = len(values), math.fsum(values) / len(values)
    if count < fewest:
        return SeedMean(value, None, None, count, FEW_SEEDS.format(fewest=fewest), Unit.SEEDS, values)
    squares = [_square_error(estimate) for estimate in known]
    if None in squares:
        return SeedMean(value, None, None, count, SEED_WITHOUT, Unit.SEEDS, values)
    parts = [float(np.var(values, ddof=1)) / count, sum(s for s in squares if s is not None) / count]
    freedoms = [count - 1, min(_freedom(estimate) for estimate in known)]
    reach = _quantile(parts, freedoms, comparisons) * math.sqrt(sum(parts))
    low, high = max(bounds[0], value - reach), min(bounds[1], value + reach)
    method = OVER_SEEDS if comparisons == 1 else f"{OVER_SEEDS}, {JOINTLY.format(comparisons=comparisons)}"
    return SeedMean(value, min(low, value), max(high, value), count, method, Unit.SEEDS, values)


def scaled(estimate: Estimate, factor: float, shift: float = 0.0) -> Estimate:
    """``factor * estimate + shift``, its ends and seeds with it."""
    ends = [None if end is None else factor * end + shift for end in (estimate.low, estimate.high)]
    low, high = ends if factor >= 0 else reversed(ends)
    moved = replace(estimate, value=factor * estimate.value + shift, low=low, high=high)
    if isinstance(moved, SeedMean):
        return replace(moved, seeds=tuple(factor * value + shift for value in moved.seeds))
    return moved


def floor(estimate: Estimate) -> float:
    """The lower end of the interval; without one the worst of few seeds, or the value itself."""
    if estimate.low is not None:
        return estimate.low
    return min(estimate.seeds) if isinstance(estimate, SeedMean) else estimate.value


def family_steps(
    members: Sequence[Sequence[Clusters]], rates: bool = False, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[list[Estimate], Estimate]:
    """Changes from each member of a family to the next, and from the first to the last, that hold all together.

    ``members`` are in order, each with its seeds' values by problem. The intervals are simultaneous: where nothing
    changes, any of them leaves 0 out in at most 5 % (Bonferroni; neighbouring steps share a member, so little is given
    away). With at least ``FEWEST_SEEDS_OF_A_STEP`` seeds in every member, the first seed of one is compared with the
    first of the next, and so on, and the intervals are over seeds and problems (``over_seeds``). With fewer the seeds
    of a member are taken together, and the intervals say only what other problems would do to these trained models.

    Two members of which no problem is common, or fewer than two members, are a ValueError.
    """
    if len(members) < 2:
        raise ValueError("steps need at least two members of a family")
    pairs = [*itertools.pairwise(members), (members[0], members[-1])]
    comparisons = 1 if len(members) == 2 else len(pairs)
    found = [_step(first, second, rates, bounds, comparisons) for first, second in pairs]
    return found[:-1], found[-1]


def _step(
    first: Sequence[Clusters], second: Sequence[Clusters], rates: bool, bounds: tuple[float, float], comparisons: int
) -> Estimate:
    seeds = min(len(first), len(second))
    if seeds >= FEWEST_SEEDS_OF_A_STEP:
        steps = [
            paired_difference(*judged_in_both(one, other), rates) for one, other in zip(first, second, strict=False)
        ]
        joint = over_seeds(steps, bounds, FEWEST_SEEDS_OF_A_STEP, comparisons)
        assert joint is not None
        return joint
    step = paired_difference(*judged_in_both(_together(first), _together(second)), rates, comparisons)
    if step.low is None:
        return step
    words = [step.method, *([JOINTLY.format(comparisons=comparisons)] if comparisons > 1 else []), THESE_MODELS]
    return Estimate(step.value, step.low, step.high, step.n, "; ".join(words))


def _square_error(estimate: Estimate) -> float | None:
    """Squared standard error over problems, read back from the interval."""
    if estimate.low is None or estimate.high is None:
        return None
    return float(((estimate.high - estimate.low) / (2 * stdtrit(_freedom(estimate), (1 + CONFIDENCE) / 2))) ** 2)


def _freedom(estimate: Estimate) -> float:
    """Of the interval's t; one over sets is from the normal quantile, or near it."""
    return max(estimate.n - 1, 1) if estimate.unit is Unit.PROBLEMS else 1e6


def _quantile(parts: Sequence[float], freedoms: Sequence[float], comparisons: int) -> float:
    total = sum(parts)
    if total == 0.0:
        return 0.0
    freedom = total**2 / sum(part**2 / degrees for part, degrees in zip(parts, freedoms, strict=True))
    return float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / (2 * comparisons)))


def _together(seeds: Sequence[Clusters]) -> Clusters:
    """Problem -> the values of all seeds."""
    joined: dict[str, list[float]] = {}
    for clusters in seeds:
        for problem, values in clusters.items():
            joined.setdefault(problem, []).extend(values)
    return joined
