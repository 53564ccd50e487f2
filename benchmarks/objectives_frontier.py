"""The paper's family under one budget as a line, and how far a method lies from it; from the records of
`benchmarks/objectives.py` alone.

The line lies in the plane of tokens and accuracy: straight between neighbours, for each seed its own. A method's *gap*
is its accuracy minus the line's at as many tokens; for weights w of the two neighbours a and b, and the line's slope k,
it is the mean over problems of

    (acc - k tok) - (1 - w) (acc_a - k tok_a) - w (acc_b - k tok_b)

so that its interval over problems knows the noise of all three models in both directions (first order: k and w are
taken as they came out). Three seeds are shown one by one; no interval says what a fourth would give (docs/metrics.md).
A model that was lost is neither part of the line nor compared with it: it is shown, and called lost.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from objectives_records import member
from objectives_table import FAMILY, SETTINGS, Setting
from packed import Records

from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.analysis.intervals import paired_difference
from tersely.records import Estimate

MOVES, BELOW, ALONG = "above the line", "below the line", "along it"
BEYOND, LOST, MISSING = "beyond its ends", "lost its model", "not measured in every seed"


@dataclass(frozen=True, slots=True)
class Measured:
    """One model of one seed, problem by problem."""

    accuracy: Mapping[str, float]
    tokens: Mapping[str, float]

    @property
    def point(self) -> tuple[float, float]:
        """(tokens, accuracy), each the mean over problems."""
        return mean(self.tokens.values()), mean(self.accuracy.values())


def lost_steps(records: Records) -> dict[tuple[int, str], int]:
    """(seed, name) -> step in which the run lost its model; records from before this was looked for name none."""
    found = {}
    for key, step in records.about.get("lost", {}).items():
        seed, name = key.removeprefix("seed-").split("/")
        found[int(seed), name] = int(step)
    return found


def mean(values: Iterable[float]) -> float:
    taken = list(values)
    return math.fsum(taken) / len(taken)


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a method lies from the family's line."""

    seeds: tuple[float | None, ...]
    """One a seed; None where it spends more or fewer tokens than all of the family, or is not measured."""
    pooled: Estimate | None
    """Of the mean over these seeds, over problems; None where the method stands apart."""
    apart: str = ""
    """Why the line says nothing of the method; empty where it does."""

    @property
    def words(self) -> str:
        if self.apart or self.pooled is None:
            return self.apart
        signs = {math.copysign(1.0, gap) for gap in self.seeds if gap}
        if len(signs) != 1 or self.pooled.low is None or self.pooled.high is None:
            return ALONG
        return MOVES if self.pooled.low > 0 else BELOW if self.pooled.high < 0 else ALONG


class Frontier:
    """The records under one budget."""

    def __init__(self, records: Records, by: str) -> None:
        self.records, self.by = records, by
        self.seeds = sorted(records.seeds)
        self._known: dict[tuple[int, str], Measured] = {}

    @property
    def budget(self) -> float:
        return float(self.records.about["budgets"][self.by])

    def step(self, seed: int, setting: Setting) -> int | None:
        """The checkpoint that lies within the budget; None where the run is not finished."""
        steps = self.records.about["steps"].get(f"seed-{seed}/{setting.name}")
        return None if steps is None else int(steps[self.by])

    def measured(self, seed: int, setting: Setting) -> Measured | None:
        """None for a run that is not finished or not measured."""
        step = self.step(seed, setting)
        if step is None or (name := member(setting.name, step)) not in self.records.seeds[seed]:
            return None
        if (seed, name) not in self._known:
            records = [response.record for response in self.records.seeds[seed][name]]
            accuracy, tokens = accuracy_clusters(records), token_clusters(records)
            self._known[seed, name] = Measured(
                {problem: mean(values) for problem, values in accuracy.items()},
                {problem: mean(tokens[problem]) for problem in accuracy},
            )
        return self._known[seed, name]

    def is_lost(self, setting: Setting) -> bool:
        """In some seed the checkpoint within the budget is one of a model that was lost by then."""
        lost = {seed: lost_steps(self.records).get((seed, setting.name)) for seed in self.seeds}
        steps = {seed: self.step(seed, setting) for seed in self.seeds}
        return any(at is not None and (step := steps[seed]) is not None and step >= at for seed, at in lost.items())

    def of(self, setting: Setting) -> list[Measured]:
        """Of every seed that is measured."""
        return [found for seed in self.seeds if (found := self.measured(seed, setting)) is not None]

    @cached_property
    def others(self) -> list[Setting]:
        """What is compared with the family, as far as it is measured."""
        return [one for one in SETTINGS if one.method != FAMILY and self.of(one)]

    @cached_property
    def family(self) -> list[Setting]:
        """What the line is drawn through: measured in every seed, and no lost model among them."""
        whole = [one for one in SETTINGS if one.method == FAMILY and len(self.of(one)) == len(self.seeds)]
        return [one for one in whole if not self.is_lost(one)]

    def line(self, seed: int) -> list[Measured]:
        """The family by tokens, fewest first."""
        members = [found for one in self.family if (found := self.measured(seed, one)) is not None]
        return sorted(members, key=lambda found: found.point)

    def gap(self, setting: Setting) -> Gap:
        """Points of accuracy, in [-1, 1]."""
        found = [(seed, self.measured(seed, setting)) for seed in self.seeds]
        each = [None if one is None else gap_by_problem(one, self.line(seed)) for seed, one in found]
        values = tuple(None if gap is None else mean(gap.values()) for gap in each)
        known = [gap for gap in each if gap is not None]
        if self.is_lost(setting):
            return Gap(values, None, LOST)
        if len(known) < len(each):
            return Gap(values, None, BEYOND if len(self.of(setting)) == len(each) else MISSING)
        common = set.intersection(*(set(gap) for gap in known))
        joint = {problem: [mean([gap[problem] for gap in known])] for problem in sorted(common)}
        zero = {problem: [0.0] for problem in joint}
        return Gap(values, paired_difference(zero, joint, comparisons=len(self.others)))


def gap_by_problem(one: Measured, line: Sequence[Measured]) -> dict[str, float] | None:
    """Problem -> its part in the gap (their mean is the gap); None where ``one`` lies beyond the line's ends."""
    tokens = one.point[0]
    ends = next((p for p in itertools.pairwise(line) if p[0].point[0] <= tokens <= p[1].point[0]), None)
    if ends is None or ends[0].point[0] == ends[1].point[0]:
        return None
    first, last = ends
    (start, low), (end, high) = first.point, last.point
    slope, weight = (high - low) / (end - start), (tokens - start) / (end - start)

    def above(model: Measured, problem: str) -> float:
        return model.accuracy[problem] - slope * model.tokens[problem]

    common = sorted(set(one.accuracy) & set(first.accuracy) & set(last.accuracy))
    return {p: above(one, p) - (1 - weight) * above(first, p) - weight * above(last, p) for p in common}
