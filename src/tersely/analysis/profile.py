"""What a base model does on a task before it is trained: pass rates, lengths, and how many groups would carry signal.

Pure: evaluated responses in, a dictionary and sentences out. Intervals are 95 % and clustered by problem
(``tersely.analysis.intervals``). A truncated response is wrong; responses that could not be judged are left out of
everything that has to do with being right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tersely.analysis.intervals import clustered_mean, clustered_rate
from tersely.analysis.spread import length_spread
from tersely.analysis.summary import accuracy_clusters, by_difficulty, summarise, token_clusters
from tersely.records import Estimate, EvalRecord

Json = dict[str, Any]
Clusters = Mapping[str, Sequence[float]]

GROUP_SIZES = (4, 8, 16)
"""Responses a problem for which signal is predicted."""

QUANTILES = 201
"""Points of the length distribution that are kept: every half percent."""

BINS = 12
LOSS = 100
"""A cap may lose less than one in this many correct responses."""

WOODRUFF = "inverted interval of the share below (Woodruff), clustered by problem"
MOMENTS = "beta-binomial fitted by moments: an extrapolation without an interval"

_FROM_SUMMARY = (
    "responses", "problems", "unjudged_responses", "accuracy", "tokens", "tokens_correct", "tokens_wrong",
    "truncated", "no_answer", "unjudged", "pass_at_k",
)  # fmt: skip


def profile_records(records: Sequence[EvalRecord], protocol: Mapping[str, Any]) -> Json:
    """The content of profile.json: ``{"confidence", "protocol", "k", "overall", "by_difficulty", "reading"}``.

    A block holds, besides counts and rates as in ``summarise``: ``lengths`` and ``lengths_correct`` (see ``_lengths``;
    None without such responses), ``groups`` (``all_wrong``, ``all_correct``: shares of problems), ``signal`` (by n,
    see ``signal_at``), ``spread`` (see ``length_spread``) and ``cap`` (see ``cap_keeping_correct``).

    No records, or two for one sample of a problem, is a UserError.
    """
    summary = summarise(records, protocol)
    blocks = {label: _block(group, summary["by_difficulty"][label]) for label, group in by_difficulty(records).items()}
    content: Json = {
        "confidence": summary["confidence"],
        "protocol": summary["protocol"],
        "k": summary["k"],
        "overall": _block(records, summary["overall"]),
        "by_difficulty": blocks,
    }
    return {**content, "reading": reading(content)}


def _block(records: Sequence[EvalRecord], summary: Mapping[str, Any]) -> Json:
    right = accuracy_clusters(records)
    correct = token_clusters([r for r in records if r.correct])
    return {
        **{name: summary[name] for name in _FROM_SUMMARY},
        "lengths": _lengths(token_clusters(records)),
        "lengths_correct": _lengths(correct) if correct else None,
        "groups": {
            "all_wrong": _share(right, lambda values: not any(values)),
            "all_correct": _share(right, all),
        },
        "signal": {str(n): signal_at(right, n) for n in GROUP_SIZES},
        "spread": length_spread(correct),
        "cap": cap_keeping_correct(correct),
    }


def _share(clusters: Clusters, holds: Callable[[Sequence[float]], bool]) -> Json | None:
    shares = {problem: [float(holds(values))] for problem, values in clusters.items()}
    return clustered_rate(shares).to_json() if shares else None


def _lengths(clusters: Clusters) -> Json:
    """Sampled tokens: mean, median, p90, p99 with intervals; max; quantiles every half percent; a histogram."""
    tokens = np.sort(np.concatenate([np.asarray(values) for values in clusters.values()]))
    return {
        "mean": clustered_mean(clusters).to_json(),
        "median": clustered_quantile(clusters, 0.5).to_json(),
        "p90": clustered_quantile(clusters, 0.9).to_json(),
        "p99": clustered_quantile(clusters, 0.99).to_json(),
        "max": float(tokens[-1]),
        "quantiles": [float(v) for v in np.quantile(tokens, np.linspace(0.0, 1.0, QUANTILES))],
        "histogram": _histogram(tokens),
    }


def _histogram(tokens: Any) -> Json:
    """Counts between edges that grow by a constant factor (lengths are long-tailed); each bin holds its upper edge."""
    low, high = float(tokens[0]), float(tokens[-1])
    raw = np.geomspace(max(low, 1.0), max(high, 1.0), BINS + 1)
    edges = sorted({math.floor(low) - 1, *(math.ceil(edge) for edge in raw[1:-1]), math.ceil(high)})
    counts = [int(((tokens > a) & (tokens <= b)).sum()) for a, b in itertools.pairwise(edges)]
    return {"edges": edges, "counts": counts}


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
        return Estimate(value, None, None, below.n, below.method)
    # The share at or below a value that many responses share exceeds the share asked for: only the reach counts.
    ends = (share - (below.value - below.low), share + (below.high - below.value))
    low, high = (float(np.quantile(values, min(max(end, 0.0), 1.0), method="inverted_cdf")) for end in ends)
    return Estimate(value, min(low, value), max(high, value), below.n, WOODRUFF)


def signal_at(right: Clusters, n: int) -> Json | None:
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
        estimates = [_rate_over_problems(part) for part in parts]
        return dict(zip(("all_wrong", "all_correct", "mixed"), estimates, strict=True))
    several = [(k, c) for k, c in counts if k > 1]
    if not several:
        return None
    first = float(np.mean([c / k for k, c in several]))
    second = float(np.mean([c * (c - 1) / (k * (k - 1)) for k, c in several]))
    wrong, correct = beta_binomial_ends(first, second, n)
    values = {"all_wrong": wrong, "all_correct": correct, "mixed": max(0.0, 1.0 - wrong - correct)}
    return {name: Estimate(v, None, None, len(several), MOMENTS).to_json() for name, v in values.items()}


def _rate_over_problems(values: Sequence[float]) -> Json:
    clipped = {str(i): [min(max(value, 0.0), 1.0)] for i, value in enumerate(values)}
    return clustered_rate(clipped).to_json()


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


def cap_keeping_correct(correct: Clusters) -> Json | None:
    """The smallest cap that loses less than 1 % of the correct responses seen.

    ``{"cap", "lost" (share of correct responses above it), "quantile" (the 99th percentile with its interval, which
    says how far to trust the cap), "correct"}``. None where nothing is correct.
    """
    tokens = sorted(length for values in correct.values() for length in values)
    if not tokens:
        return None
    cap = tokens[len(tokens) - 1 - (len(tokens) - 1) // LOSS]
    lost = sum(length > cap for length in tokens) / len(tokens)
    return {
        "cap": int(cap),
        "lost": lost,
        "correct": len(tokens),
        "quantile": clustered_quantile(correct, 1.0 - 1.0 / LOSS).to_json(),
    }


# ---- in words


def reading(content: Mapping[str, Any]) -> list[str]:
    """What the numbers say, as sentences. What they do not say (which alpha is right) is left open."""
    block, k = content["overall"], content["k"]
    sentences = [_pass_words(block, k), _signal_words(block), _cap_words(block, content["protocol"])]
    sentences.append(_spread_words(block["spread"]))
    sentences.append(
        "Which alpha is right does not follow from these numbers: train several and look at accuracy against tokens."
    )
    return [sentence for sentence in sentences if sentence]


def _pass_words(block: Mapping[str, Any], k: int) -> str:
    if block["accuracy"] is None:
        return "No response could be judged, so nothing is known about accuracy."
    groups = block["groups"]
    return (
        f"The model answers {_percent(block['accuracy'])} of the responses correctly; of the problems "
        f"{_percent(groups['all_wrong'])} are wrong in all of their {k} responses and "
        f"{_percent(groups['all_correct'])} correct in all."
    )


def _signal_words(block: Mapping[str, Any]) -> str:
    known = {n: found for n, found in block["signal"].items() if found is not None}
    if not known:
        return ""
    parts = [
        f"{_percent(found['mixed'], interval=False)} at n = {n} "
        f"({_percent_number(1 - found['all_wrong']['value'])} with alpha > 0)"
        for n, found in known.items()
    ]
    return (
        f"Groups with both correct and wrong responses, which carry signal under any alpha: {', '.join(parts)}; with "
        "alpha > 0 all-correct groups carry signal about length as well, all-wrong groups never carry any."
    )


def _cap_words(block: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    truncated, asked = block["truncated"]["value"], protocol.get("max_new_tokens")
    cut = (
        f" {_percent(block['truncated'])} of the responses were cut at the cap of {asked}: whether they would have "
        "become correct is not known, and a higher cap than that cannot be judged from here."
        if truncated > 0
        else ""
    )
    cap = block["cap"]
    if cap is None:
        return f"No response is correct, so no cap can be derived.{cut}"
    high = cap["quantile"]["high"]
    reach = "" if high is None else f"; the 99th percentile could lie as high as {high:.0f}"
    return (
        f"A cap of {cap['cap']} tokens loses less than 1 % of the {cap['correct']} correct responses seen "
        f"({_percent_number(cap['lost'])}){reach}.{cut}"
    )


def _spread_words(spread: Mapping[str, Any] | None) -> str:
    if spread is None:
        return "No problem has two correct responses, so a length penalty has nothing to choose among."
    return (
        f"Among correct responses to one problem the standard deviation of length is "
        f"{_percent(spread['std_over_mean'])} of the mean, and the shortest lies "
        f"{_percent(spread['shortest_below_mean'])} below it: what a length penalty can choose among."
    )


def _percent(estimate: Mapping[str, Any], interval: bool = True) -> str:
    value = _percent_number(estimate["value"])
    if not interval or estimate["low"] is None:
        return value
    return f"{value} [{100 * estimate['low']:.1f}, {100 * estimate['high']:.1f}]"


def _percent_number(value: float) -> str:
    return f"{100 * value:.1f} %"
