"""What a base model does on a task before it is trained: pass rates, lengths, and how many groups would carry signal.

Pure: evaluated responses in, a record with sentences out. Intervals are 95 % and clustered by problem
(``tersely.analysis.intervals``). A truncated response is wrong; responses that could not be judged are left out of
everything that has to do with being right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tersely.analysis.clusters import accuracy_clusters, by_difficulty, token_clusters
from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.intervals import Clusters, clustered_mean, clustered_rate
from tersely.analysis.profile_blocks import Cap, GroupShares, Histogram, Lengths, Profile, ProfileBlock, Signal
from tersely.analysis.profile_words import reading
from tersely.analysis.records import SummaryBlock
from tersely.analysis.spread import length_spread
from tersely.analysis.summary import summarise
from tersely.records import Estimate, EvalRecord, FloatArray

GROUP_SIZES = (4, 8, 16)
"""Responses a problem for which signal is predicted."""

QUANTILES = 201
"""Points of the length distribution that are kept: every half percent."""

BINS = 12
LOSS = 100
"""A cap may lose less than one in this many correct responses."""

WOODRUFF = "inverted interval of the share below (Woodruff), clustered by problem"
MOMENTS = "beta-binomial fitted by moments: an extrapolation without an interval"


def profile_records(records: Sequence[EvalRecord], protocol: ProtocolFacts) -> Profile:
    """Pass rates, lengths, signal by group size, spread and cap, overall and by difficulty, with their reading.

    No records, or two for one sample of a problem, is a UserError.
    """
    summary = summarise(records, protocol)
    overall = _block(records, summary.overall)
    blocks = {label: _block(group, summary.by_difficulty[label]) for label, group in by_difficulty(records).items()}
    said = reading(overall, summary.k, protocol.max_new_tokens)
    return Profile(summary.confidence, summary.protocol, summary.k, overall, blocks, tuple(said))


def _block(records: Sequence[EvalRecord], summary: SummaryBlock) -> ProfileBlock:
    right = accuracy_clusters(records)
    correct = token_clusters([r for r in records if r.correct])
    return ProfileBlock(
        responses=summary.responses,
        problems=summary.problems,
        unjudged_responses=summary.unjudged_responses,
        accuracy=summary.accuracy,
        tokens=summary.tokens,
        tokens_correct=summary.tokens_correct,
        tokens_wrong=summary.tokens_wrong,
        truncated=summary.truncated,
        no_answer=summary.no_answer,
        unjudged=summary.unjudged,
        pass_at_k=summary.pass_at_k,
        lengths=_lengths(token_clusters(records)),
        lengths_correct=_lengths(correct) if correct else None,
        groups=GroupShares(_share(right, lambda values: not any(values)), _share(right, all)),
        signal={n: signal_at(right, n) for n in GROUP_SIZES},
        spread=length_spread(correct),
        cap=cap_keeping_correct(correct),
    )


def _share(clusters: Clusters, holds: Callable[[Sequence[float]], bool]) -> Estimate | None:
    shares = {problem: [float(holds(values))] for problem, values in clusters.items()}
    return clustered_rate(shares) if shares else None


def _lengths(clusters: Clusters) -> Lengths:
    tokens_N = np.sort(np.concatenate([np.asarray(values) for values in clusters.values()]))
    return Lengths(
        mean=clustered_mean(clusters),
        median=clustered_quantile(clusters, 0.5),
        p90=clustered_quantile(clusters, 0.9),
        p99=clustered_quantile(clusters, 0.99),
        max=float(tokens_N[-1]),
        quantiles=tuple(float(v) for v in np.quantile(tokens_N, np.linspace(0.0, 1.0, QUANTILES))),
        histogram=_histogram(tokens_N),
    )


def _histogram(tokens_N: FloatArray) -> Histogram:
    """Counts between edges that grow by a constant factor (lengths are long-tailed); each bin holds its upper edge."""
    low, high = float(tokens_N[0]), float(tokens_N[-1])
    raw = np.geomspace(max(low, 1.0), max(high, 1.0), BINS + 1)
    edges = sorted({math.floor(low) - 1, *(math.ceil(edge) for edge in raw[1:-1]), math.ceil(high)})
    counts = [int(((tokens_N > a) & (tokens_N <= b)).sum()) for a, b in itertools.pairwise(edges)]
    return Histogram(tuple(edges), tuple(counts))


def clustered_quantile(clusters: Clusters, share: float) -> Estimate:
    """Smallest value with at least ``share`` of all responses at or below it, with an interval.

    The interval of the share of responses at or below that value (``clustered_rate``) is read back through the
    quantiles (Woodruff 1952, JASA 47). One problem has no interval; an empty mapping is a ValueError.
    """
    values = np.concatenate([np.asarray(v, dtype=np.float64) for v in clusters.values()]) if clusters else np.zeros(0)
    if not values.size:
        raise ValueError("a quantile needs at least one response")
    value = float(np.quantile(values, share, method="inverted_cdf"))
    below = clustered_rate({problem: [float(v <= value) for v in group] for problem, group in clusters.items()})
    if below.low is None or below.high is None:
        return replace(below, value=value)
    # The share at or below a value that many responses share exceeds the share asked for: only the reach counts.
    ends = (share - (below.value - below.low), share + (below.high - below.value))
    low, high = (float(np.quantile(values, min(max(end, 0.0), 1.0), method="inverted_cdf")) for end in ends)
    return Estimate(value, min(low, value), max(high, value), below.n, WOODRUFF)


def signal_at(right: Clusters, n: int) -> Signal | None:
    """Expected shares of groups of n responses: ``all_wrong``, ``all_correct``, and ``mixed``, the rest.

    Mixed groups carry signal whatever alpha is; all-correct ones only where alpha > 0 (their lengths differ);
    all-wrong ones never. A problem with k judged responses, c of them correct, is expected to give an all-wrong
    group of n <= k with chance ``C(k-c, n) / C(k, n)``, an all-correct one with ``C(c, n) / C(k, n)``: the estimators
    without bias, as of pass@k; problems with fewer judged responses than n are left out. For n > k none exists. Then
    (also where that would leave out most problems) pass rates are taken as beta distributed with the moments
    ``m1 = mean c/k`` and ``m2 = mean c(c-1) / (k(k-1))``; with ``rho = (m2 - m1^2) / (m1 (1 - m1))``,
    ``s = 1/rho - 1``, ``b = (1 - m1) s``, all n are wrong with chance ``prod_{i<n} (b + i) / (s + i)``, and likewise
    all correct with ``a = m1 s``.

    None where nothing was judged, or n > k and no problem has two judged responses.
    """
    counts = [(len(values), round(sum(values))) for values in right.values()]
    enough = [(k, c) for k, c in counts if k >= n]
    if enough and 2 * len(enough) >= len(counts):
        chances = [(math.comb(k - c, n) / math.comb(k, n), math.comb(c, n) / math.comb(k, n)) for k, c in enough]
        parts = ([wrong for wrong, _ in chances], [c for _, c in chances], [1.0 - w - c for w, c in chances])
        return Signal(*map(_rate_over_problems, parts))
    several = [(k, c) for k, c in counts if k > 1]
    if not several:
        return None
    first = float(np.mean([c / k for k, c in several]))
    second = float(np.mean([c * (c - 1) / (k * (k - 1)) for k, c in several]))
    wrong, correct = beta_binomial_ends(first, second, n)
    values = (wrong, correct, max(0.0, 1.0 - wrong - correct))
    return Signal(*(Estimate(value, None, None, len(several), MOMENTS) for value in values))


def _rate_over_problems(values: Sequence[float]) -> Estimate:
    return clustered_rate({str(i): [min(max(value, 0.0), 1.0)] for i, value in enumerate(values)})


def beta_binomial_ends(first: float, second: float, n: int) -> tuple[float, float]:
    """Chances that n draws all fail, and all succeed, when the rate has these first two moments (``signal_at``).

    Degenerate: no spread between problems is the binomial; the largest spread possible is rates of 0 and 1 alone.
    """
    if first <= 0.0 or first >= 1.0:
        return 1.0 - first, first
    rho = (second - first * first) / (first * (1.0 - first))
    if rho <= 1e-9:
        return float((1.0 - first) ** n), float(first**n)
    if rho >= 1.0 - 1e-9:
        return 1.0 - first, first
    size = 1.0 / rho - 1.0
    wrong = math.prod(((1.0 - first) * size + i) / (size + i) for i in range(n))
    correct = math.prod((first * size + i) / (size + i) for i in range(n))
    return wrong, correct


def cap_keeping_correct(correct: Clusters) -> Cap | None:
    """The smallest cap that loses less than 1 % of the correct responses seen; None where nothing is correct."""
    tokens = sorted(length for values in correct.values() for length in values)
    if not tokens:
        return None
    cap = tokens[len(tokens) - 1 - (len(tokens) - 1) // LOSS]
    lost = sum(length > cap for length in tokens) / len(tokens)
    return Cap(int(cap), lost, len(tokens), clustered_quantile(correct, 1.0 - 1.0 / LOSS))
