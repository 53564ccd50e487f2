"""What training cost, who is ahead within the same budget, and when a shorter model has paid for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tersely.page.records import Comparison, Contender, Role, Run, scaled
from tersely.page.standings import Standing, best_of, stand
from tersely.records import Estimate, Json

TRAINED = (Role.FAMILY, Role.ABLATION, Role.BASELINE)


@dataclass(frozen=True, slots=True)
class Cost:
    """Spent on training one run (mean over seeds where there are several); None where it was not recorded."""

    sampled: float | None = None
    """Tokens generated to learn from."""
    trained: float | None = None
    """Response tokens on which a loss was computed; every pass counts."""
    wall: float | None = None
    """Seconds, from the clock."""
    seconds_per_token: float | None = None
    """Of sampling in training: what a token costs to generate on that machine."""
    with_prompts: bool = False
    """``trained`` counts the prompts too, because the clock is too old to tell them apart."""

    @property
    def tokens(self) -> float | None:
        """Sampled and trained tokens together, each counting one."""
        known = [part for part in (self.sampled, self.trained) if part is not None]
        return sum(known) if known else None


def total(rows: Sequence[Json], key: str) -> float | None:
    """Sum of a column of a log; None where no line has it."""
    values = [float(row[key]) for row in rows if isinstance(row.get(key), int | float)]
    return sum(values) if values else None


def cost_of(run: Run, until: int | None = None) -> Cost:
    """Of one run, up to step ``until``: sums over the clock, and over the journal for tokens an older clock lacks.

    What the baselines' responses cost to sample stands in their own clock, at step 0, for each of them in full.
    """
    journal = [row for row in run.journal if until is None or row.step <= until]
    clock = [row for row in run.clock if until is None or row.get("step", 0) <= until]
    sampled, trained = total(clock, "tokens_sampled"), total(clock, "response_tokens_trained")
    read = total(clock, "tokens_trained") if trained is None else None
    trained = read if trained is None else trained
    if sampled is None and journal:
        sampled = float(sum(row.response_tokens or 0 for row in journal))
    if trained is None and run.kind == "train":
        trained = sampled  # every sampled response is learnt from once
    sampling = total(clock, "sample_s")
    pace = sampling / sampled if sampling and sampled else None
    return Cost(sampled, trained, total(clock, "step_s"), pace, bool(read))


def mean_cost(runs: Sequence[Run], until: int | None = None) -> Cost:
    """Mean over seeds; a part that any seed lacks is None."""
    costs = [cost_of(run, until) for run in runs]
    if not costs:
        return Cost()
    columns = zip(*((c.sampled, c.trained, c.wall, c.seconds_per_token) for c in costs), strict=True)
    sampled, trained, wall, pace = map(_mean, columns)
    return Cost(sampled, trained, wall, pace, any(c.with_prompts for c in costs))


def _mean(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) / len(known) if len(known) == len(parts) else None


def contender_cost(contender: Contender) -> Cost:
    """Of training; cutoffs and prompts train nothing, and what another model cost is not known."""
    if contender.role is Role.OTHER:
        return Cost()
    return mean_cost(contender.runs) if contender.role in TRAINED else Cost(0.0, 0.0, 0.0)


# ---- matched budgets


@dataclass(frozen=True, slots=True)
class Matched:
    """The best of one method within a budget that every method can keep."""

    axis: str
    """"training tokens" or "wall seconds"."""
    budget: float
    method: str
    best: Standing
    spent: float


def matched(comparison: Comparison, found: Sequence[Standing]) -> list[Matched]:
    """On each axis: the smallest budget within which every trained method has a candidate, and each one's best there.

    Candidates are the finished runs, and of the family also its evaluated checkpoints at what they had cost by then.
    Nothing where fewer than two methods recorded their cost.
    """
    candidates = _candidates(comparison, found)
    rows = []
    for axis in ("training tokens", "wall seconds"):
        by_method: dict[str, list[tuple[float, Standing]]] = {}
        for standing, cost in candidates:
            spent = cost.tokens if axis == "training tokens" else cost.wall
            if spent:
                by_method.setdefault(standing.method, []).append((spent, standing))
        if len(by_method) < 2:
            continue
        budget = max(min(spent for spent, _ in group) for group in by_method.values())
        for method, group in by_method.items():
            within = {standing.label: (spent, standing) for spent, standing in group if spent <= budget}
            best = best_of([standing for _, standing in within.values()])
            assert best is not None
            rows.append(Matched(axis, budget, method, best, within[best.label][0]))
    return rows


def _candidates(comparison: Comparison, found: Sequence[Standing]) -> list[tuple[Standing, Cost]]:
    by_label = {c.label: c for c in comparison.contenders}
    pairs = [(s, contender_cost(by_label[s.label])) for s in found if s.role in (Role.FAMILY, Role.BASELINE)]
    for line in comparison.checkpoints:
        if line.label not in by_label or by_label[line.label].role is not Role.FAMILY:
            continue
        for step, entries in line.steps.items():
            first = next(iter(entries.values()))
            standing = stand(first, entries, comparison)
            if standing is not None:
                named = replace(standing, label=f"{line.label} at step {step}")
                pairs.append((named, mean_cost(line.runs, step)))
    return pairs


# ---- when it has paid for itself


@dataclass(frozen=True, slots=True)
class Payback:
    """Queries until training has paid for itself, in one currency."""

    label: str
    dataset: str
    currency: str
    """"tokens", "seconds" or the name of the money."""
    cost: float
    saved: Estimate
    """Saved by one query, in the same unit."""

    @property
    def queries(self) -> tuple[float | None, float | None, float | None]:
        """(estimate, fewest, most) queries by the ends of ``saved``'s interval; None is never, or unknown (no end)."""
        low, high = self.saved.low, self.saved.high
        return self._until(self.saved.value), self._until(high), self._until(low)

    def _until(self, saved: float | None) -> float | None:
        return None if saved is None or saved <= 0 else self.cost / saved

    @property
    def words(self) -> str:
        """ "1,234 [1,000, 2,000]", "never", "1,234 [1,000, never]"."""
        if self.cost == 0 and self.saved.value > 0:
            return "from the first"
        value, few, many = self.queries
        if value is None:
            return "never" if few is None else f"never [{few:,.0f}, never]"
        if self.saved.low is None:
            return f"{value:,.0f}"
        ends = ["never" if end is None else f"{end:,.0f}" for end in (few, many)]
        return f"{value:,.0f} [{', '.join(ends)}]"


def paybacks(
    comparison: Comparison, price: float | None = None, gpu_hour: float | None = None, currency: str = "USD"
) -> list[Payback]:
    """For everything that was trained, on every data set, in each currency that can be computed.

    tokens: (sampled + trained tokens) / tokens saved a query, a trained token counting as one generated. seconds: wall
    seconds / (tokens saved x the seconds that generating a token took in training; the mean over the others where a
    method did not record it). Money, with ``price`` (of a million generated tokens): (wall hours x ``gpu_hour``, or
    training tokens x ``price`` without it) / (tokens saved x ``price``). The cost is a measurement and has no
    interval; that of the saving is carried over.
    """
    costs = {c.label: contender_cost(c) for c in comparison.contenders}
    paces = [cost.seconds_per_token for cost in costs.values() if cost.seconds_per_token is not None]
    usual = sum(paces) / len(paces) if paces else None
    found = []
    for contender in comparison.contenders:
        if contender.role not in TRAINED or contender.mark:
            continue
        cost = costs[contender.label]
        bills = {"tokens": (cost.tokens, 1.0), "seconds": (cost.wall, cost.seconds_per_token or usual)}
        if price is not None:
            bills[currency] = (training_money(cost, price, gpu_hour), price / 1e6)
        for dataset in (d for d in comparison.datasets if d in contender.entries):
            change = contender.entries[dataset].gain("token_difference")
            for name, (spent, worth) in bills.items():
                if change is not None and spent is not None and worth is not None:
                    found.append(Payback(contender.label, dataset, name, spent, scaled(change, -worth)))
    return found


def training_money(cost: Cost, price: float, gpu_hour: float | None) -> float | None:
    """Wall hours at ``gpu_hour``; without one training tokens at the price of generated ones."""
    if gpu_hour is not None and cost.wall is not None:
        return cost.wall / 3600 * gpu_hour
    return None if cost.tokens is None else cost.tokens * price / 1e6
