"""What training one run cost, from its journal and its clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from tersely.evaluation.runs import Run
from tersely.records import Json


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

    def money(self, price: float, gpu_hour: float | None) -> float | None:
        """Wall hours at ``gpu_hour``; without one tokens at the ``price`` of a million generated ones."""
        if gpu_hour is not None and self.wall is not None:
            return self.wall / 3600 * gpu_hour
        return None if self.tokens is None else self.tokens * price / 1e6


def total(rows: Sequence[Json], key: str) -> float | None:
    """Sum of a column of a log; None where no line has it."""
    values = [float(row[key]) for row in rows if isinstance(row.get(key), int | float)]
    return sum(values) if values else None


def cost_of(run: Run, until: int | None = None) -> Cost:
    """Of one run, up to step ``until``: sums over the clock, and over the journal for tokens an older clock lacks."""
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


def joined(costs: Sequence[Cost], join: Callable[[Sequence[float]], float]) -> Cost:
    """Part by part, the pace always as the mean; None for a part that any of the costs lacks."""

    def part(key: str, how: Callable[[Sequence[float]], float] = join) -> float | None:
        known = [value for cost in costs if (value := getattr(cost, key)) is not None]
        return how(known) if known and len(known) == len(costs) else None

    prompts = any(cost.with_prompts for cost in costs)
    return Cost(part("sampled"), part("trained"), part("wall"), part("seconds_per_token", fmean), prompts)
