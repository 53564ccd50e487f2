"""What the records of `benchmarks/tune.py` show: promises kept, against fixed alphas, along the frontier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import beta
from tune import ALPHAS, HALF
from tune_records import TuneRecords

from tersely.analysis.bounded import loss_bound
from tersely.analysis.intervals import clustered_mean, paired_difference
from tersely.records import Estimate, FloatArray
from tersely.tune.measured import Measured

CLOSE = 0.05
"""A length is met within this share."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one target on one base, on the further problems."""

    seed: int
    target: str
    found: bool
    """Certified; for a length met."""
    member: str
    tokens: Estimate
    change: float
    """Of accuracy against the base, as a share."""
    low: float
    """What the change is at least, one-sided 95 %."""
    kept: bool | None
    """What was promised holds there; None where nothing was."""


def rows(records: TuneRecords, seed: int) -> Iterator[Row]:
    """One for each target, in the order in which they were asked."""
    targets = records.of_seed(seed)["targets"]
    for name in sorted(targets, key=lambda name: (name.startswith("tokens"), name)):
        yield row(records, seed, name, targets[name])


def row(records: TuneRecords, seed: int, name: str, told: Mapping[str, Any]) -> Row:
    base, chosen = records.base(seed), records.measured(seed, told["member"])
    assert chosen is not None
    changes_P = changes(base.rates_P, chosen.rates_P)
    tokens = clustered_mean({str(n): list(of_it) for n, of_it in enumerate(chosen.tokens_PK)})
    found = told["verdict"] in ("certified", "met")
    change, target = float(changes_P.mean()), told["target"]
    if "loss" in target:
        held = change >= -target["loss"]
    else:
        held = abs(tokens.value / target["tokens"] - 1) <= CLOSE
    kept = held if found else None
    return Row(seed, name, found, told["member"], tokens, change, loss_bound(changes_P), kept)


def changes(base_P: FloatArray, model_P: FloatArray) -> FloatArray:
    """[P] of the problems that both have and could be judged on."""
    asked = min(base_P.size, model_P.size)
    changes_P = model_P[:asked] - base_P[:asked]
    known: FloatArray = changes_P[~np.isnan(changes_P)]
    return known


def share(count: int, of: int) -> str:
    """``9 of 10 (55 to 100 %)``: a share with its exact interval, 95 % (Clopper and Pearson 1934)."""
    if not of:
        return "0 of 0"
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, of - count + 1))
    high = 1.0 if count == of else float(beta.ppf(0.975, count + 1, of - count))
    return f"{count} of {of} ({100 * low:.0f} to {100 * high:.0f} %)"


# ---- against runs at a fixed alpha


@dataclass(frozen=True, slots=True)
class Rival:
    """The fixed alpha that needs the fewest tokens of those that keep a floor, by these further problems themselves."""

    alpha: float
    tokens: float


def best_fixed(records: TuneRecords, seed: int, loss: float, surely: bool) -> Rival | None:
    """``surely``: its bound keeps the floor, not the estimate alone."""
    base, kept = records.base(seed), list[Rival]()
    for alpha in ALPHAS:
        run = records.measured(seed, f"alpha-{alpha:g}")
        if run is None:
            continue
        changes_P = changes(base.rates_P, run.rates_P)
        if (loss_bound(changes_P) if surely else float(changes_P.mean())) >= -loss:
            kept.append(Rival(alpha, run.length()))
    return min(kept, key=lambda rival: rival.tokens, default=None)


# ---- the frontier that one run traced


def at_tokens(line: Sequence[Measured], tokens: float) -> FloatArray | None:
    """[P] share right at this length, interpolated between the two models around it; None beyond the ends."""
    ranked = sorted(line, key=Measured.length)
    for short, long in pairwise(ranked):
        if short.length() <= tokens <= long.length():
            part = (tokens - short.length()) / ((long.length() - short.length()) or 1.0)
            between: FloatArray = (1 - part) * short.rates_P + part * long.rates_P
            return between
    return None


def traced(records: TuneRecords, seed: int, temperature: float) -> list[Measured]:
    return _line(records, seed, records.of_seed(seed)["screened"], temperature)


def grid(records: TuneRecords, seed: int, temperature: float) -> list[Measured]:
    return _line(records, seed, [f"alpha-{alpha:g}" for alpha in ALPHAS], temperature)


def _line(records: TuneRecords, seed: int, names: Sequence[str], temperature: float) -> list[Measured]:
    found = (records.measured(seed, name, temperature) for name in names)
    return [first(one, HALF) for one in found if one is not None]


def first(one: Measured, problems: int) -> Measured:
    """On the first problems alone: all models of a line are compared on the same."""
    counts = (one.right_P[:problems], one.judged_P[:problems])
    return Measured(one.member, one.step, one.alpha, *counts, one.tokens_PK[:problems])


def lag(records: TuneRecords, seed: int, temperature: float, levels: Sequence[float]) -> Estimate | None:
    """Accuracy of the run's frontier minus that of the fixed alphas at the same tokens, over these levels together;
    None where either does not reach one of them."""
    fixed, ours = grid(records, seed, temperature), traced(records, seed, temperature)
    pairs = [(at_tokens(fixed, tokens), at_tokens(ours, tokens)) for tokens in levels]
    known = [(fixed_P, ours_P) for fixed_P, ours_P in pairs if fixed_P is not None and ours_P is not None]
    if not known:
        return None
    fixed_P, ours_P = np.mean(known, axis=0)
    judged = np.flatnonzero(~np.isnan(fixed_P + ours_P))
    before, after = ({str(n): [float(side_P[n])] for n in judged} for side_P in (fixed_P, ours_P))
    return paired_difference(before, after, rates=True)
