"""Numbers asked of the records by name: ``saved alpha-0.2 alpha-0`` -> ``33.7 % (30.1, 35.2, 35.8)``.

Every quantity is the mean over the seeds with the seeds' own values in round brackets: three seeds have no interval
(docs/metrics.md). Square brackets are intervals over problems, of the seed before them. ``mean`` or ``values`` in front
of a question leaves the other part out. All statistics are `tersely.analysis`'s own.

A run is called by its folder; ``cutoff-160`` is the base cut off at 160 tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from packed import Records, Response

from tersely.analysis import clustered_mean, clustered_rate, cut, family_steps, loss_bound, paired_difference
from tersely.analysis.clusters import accuracy_clusters, judged, token_clusters
from tersely.analysis.intervals import Clusters, paired_saving
from tersely.analysis.paired import judged_in_both
from tersely.records import Estimate, EvalRecord

FAMILY = ("alpha-0", "alpha-0.05", "alpha-0.1", "alpha-0.2", "alpha-0.4")
CUTOFF = "cutoff-"


class MissingRunError(LookupError):
    """A run that the records do not hold (yet)."""


class Numbers:
    """The records, by seed and run."""

    def __init__(self, records: Records, seeds: Sequence[int]) -> None:
        self.records, self.seeds = records, tuple(seeds)
        self.evaluated = lru_cache(maxsize=None)(self._evaluated)

    def responses(self, run: str, seed: int) -> list[Response]:
        found = self.records.seeds.get(seed, {}).get(run)
        if not found:
            raise MissingRunError(f"seed-{seed}/{run}")
        return found

    def _evaluated(self, run: str, seed: int) -> list[EvalRecord]:
        if run.startswith(CUTOFF):
            return cut(self.evaluated("base", seed), int(run.removeprefix(CUTOFF)))
        return [response.record for response in self.responses(run, seed)]

    def tokens(self, run: str, seed: int) -> Clusters:
        return token_clusters(self.evaluated(run, seed))

    def right(self, run: str, seed: int) -> Clusters:
        return accuracy_clusters(self.evaluated(run, seed))

    def both_right(self, run: str, against: str, seed: int) -> tuple[Clusters, Clusters]:
        return judged_in_both(self.right(against, seed), self.right(run, seed))

    def spent(self, run: str, seed: int, key: str) -> float:
        """What training cost, in tokens or seconds."""
        about = self.records.about["runs"].get(f"seed-{seed}/{run}")
        if about is None:
            raise MissingRunError(f"seed-{seed}/{run}")
        return float(about["cost"][key])


# ---- estimates of one seed


def tokens(numbers: Numbers, seed: int, run: str) -> Estimate:
    return clustered_mean(numbers.tokens(run, seed))


def accuracy(numbers: Numbers, seed: int, run: str) -> Estimate:
    return clustered_rate(numbers.right(run, seed))


def saved(numbers: Numbers, seed: int, run: str, against: str) -> Estimate:
    """Share of the tokens of ``against``, on the same problems."""
    return paired_saving(numbers.tokens(against, seed), numbers.tokens(run, seed))


def longer(numbers: Numbers, seed: int, run: str, against: str) -> Estimate:
    """Tokens a response."""
    return paired_difference(numbers.tokens(against, seed), numbers.tokens(run, seed))


def change(numbers: Numbers, seed: int, run: str, against: str) -> Estimate:
    """Of accuracy, on the same problems."""
    return paired_difference(*numbers.both_right(run, against, seed), rates=True)


def not_excluded(numbers: Numbers, seed: int, run: str, against: str) -> Estimate:
    """The largest loss of accuracy that the problems do not exclude, one-sided 95 %."""
    before, after = numbers.both_right(run, against, seed)
    changes = [math.fsum(after[p]) / len(after[p]) - math.fsum(before[p]) / len(before[p]) for p in before]
    return Estimate(max(0.0, -loss_bound(changes)), None, None, len(changes), "one-sided")


def after(numbers: Numbers, seed: int, run: str) -> Estimate:
    """Share of a correct response that stands behind the first statement of its answer."""
    return clustered_mean(_by_problem(numbers.responses(run, seed), lambda r: r.after, lambda r: r.record.correct))


def checks(numbers: Numbers, seed: int, run: str, *levels: str) -> Estimate:
    """Phrases of checking and turning back a response, at these levels (or all)."""
    kept = _by_problem(numbers.responses(run, seed), lambda r: r.checks, lambda r: _at(r, levels))
    return clustered_mean(kept)


def checks_left(numbers: Numbers, seed: int, run: str, *levels: str) -> Estimate:
    """Share of the base's checks."""
    here, base = (checks(numbers, seed, name, *levels).value for name in (run, "base"))
    return Estimate(here / base, None, None, 1, "ratio of two means")


def level_accuracy(numbers: Numbers, seed: int, run: str, *levels: str) -> Estimate:
    return clustered_rate(accuracy_clusters(r for r in numbers.evaluated(run, seed) if r.difficulty in levels))


def tokens_right(numbers: Numbers, seed: int, run: str) -> Estimate:
    """Of the correct responses."""
    return clustered_mean(token_clusters(r for r in numbers.evaluated(run, seed) if r.correct))


def tokens_wrong(numbers: Numbers, seed: int, run: str) -> Estimate:
    """Of the responses that were judged and are not correct."""
    return clustered_mean(token_clusters(r for r in numbers.evaluated(run, seed) if judged(r) and not r.correct))


def sampled(numbers: Numbers, seed: int, run: str) -> Estimate:
    return _measured(numbers.spent(run, seed, "tokens_sampled"))


def trained(numbers: Numbers, seed: int, run: str) -> Estimate:
    """Response tokens under a loss, every pass counted."""
    return _measured(numbers.spent(run, seed, "response_tokens_trained"))


def payback(numbers: Numbers, seed: int, run: str, against: str, *searched: str) -> Estimate:
    """Queries until training has paid for itself in tokens, sampled and trained ones counting one each; with the runs
    ``searched`` over that it was chosen from."""
    keys = ("tokens_sampled", "response_tokens_trained")
    cost = sum(numbers.spent(name, seed, key) for name in dict.fromkeys((run, *searched)) for key in keys)
    gain = -longer(numbers, seed, run, against).value
    return _measured(cost / gain if gain > 0 else math.inf)


def _measured(value: float) -> Estimate:
    return Estimate(value, None, None, 1, "measured")


def _at(response: Response, levels: Sequence[str]) -> bool:
    return not levels or response.record.difficulty in levels


def _by_problem(
    responses: Sequence[Response], value: Callable[[Response], float], keep: Callable[[Response], bool]
) -> Clusters:
    found: dict[str, list[float]] = {}
    for response in responses:
        if keep(response):
            found.setdefault(response.record.problem_id, []).append(float(value(response)))
    return found


# ---- as they are printed


def tenths(value: float, sign: str = "") -> str:
    """One place, halves away from 0 whatever their last bits: seeds that are alike are printed alike, and so is their
    mean."""
    exact = Decimal(repr(round(value, 9))).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{abs(exact):.1f}" if exact == 0 else f"{exact:{sign}.1f}"


def percent(value: float) -> str:
    return tenths(100 * value)


def points(value: float) -> str:
    return tenths(100 * value, "+")


def signed(value: float) -> str:
    return tenths(value, "+")


def thousands(value: float) -> str:
    return "never" if math.isinf(value) else f"{value / 1000:,.0f}"


SEED: Mapping[str, tuple[Callable[..., Estimate], Callable[[float], str], str]] = {
    "tokens": (tokens, tenths, ""),
    "accuracy": (accuracy, percent, " %"),
    "saved": (saved, percent, " %"),
    "longer": (longer, signed, ""),
    "change": (change, points, ""),
    "not-excluded": (not_excluded, percent, ""),
    "after": (after, percent, " %"),
    "checks": (checks, tenths, ""),
    "checks-left": (checks_left, percent, " %"),
    "level-accuracy": (level_accuracy, percent, " %"),
    "tokens-right": (tokens_right, tenths, ""),
    "tokens-wrong": (tokens_wrong, tenths, ""),
    "sampled": (sampled, thousands, ""),
    "trained": (trained, thousands, ""),
    "payback": (payback, thousands, ""),
}
"""Name -> (one seed's estimate, how its value is printed, the unit behind it). The last three are in thousands."""


def ask(numbers: Numbers, question: str) -> str:
    """The answer as it is printed. MissingRunError where the records lack a run, KeyError for an unknown quantity."""
    words = question.split()
    part = words.pop(0) if words[0] in ("mean", "values", "problems") else "all"
    if words[0] == "step":
        return step(numbers, *words[1:])
    quantity, printed, unit = SEED[words[0]]
    found = [quantity(numbers, seed, *words[1:]) for seed in numbers.seeds]
    if part == "problems":
        return ", ".join(f"{printed(e.value)}{_interval(e, printed)}" for e in found)
    mean = printed(math.fsum(e.value for e in found) / len(found)) + unit
    values = ", ".join(printed(e.value) for e in found)
    return {"mean": mean, "values": values, "all": f"{mean} ({values})"}[part]


def step(numbers: Numbers, what: str, first: str, second: str) -> str:
    """From one member of the family to the next, or from its first to its last: simultaneous intervals over problems,
    for these trained models (``analysis.family_steps``)."""
    clusters = numbers.tokens if what == "tokens" else numbers.right
    printed = signed if what == "tokens" else points
    steps, whole = _steps(numbers, clusters, what != "tokens")
    found = whole if (first, second) == (FAMILY[0], FAMILY[-1]) else steps[FAMILY.index(second) - 1]
    return f"{printed(found.value)}{_interval(found, printed)}"


def _steps(numbers: Numbers, clusters: Callable[[str, int], Clusters], rates: bool) -> tuple[list[Estimate], Estimate]:
    return family_steps([[clusters(member, seed) for seed in numbers.seeds] for member in FAMILY], rates)


def _interval(estimate: Estimate, printed: Callable[[float], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" [{printed(estimate.low)}, {printed(estimate.high)}]"
