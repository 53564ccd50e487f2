"""From a family of runs to the numbers of one task: per seed as evaluated, per member with the spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tersely.analysis import (
    PairedBlock,
    PairedComparison,
    ProtocolFacts,
    SummaryBlock,
    clustered_mean,
    compare_paired,
    count_behaviours,
    difficulty_order,
    seeds,
)
from tersely.analysis.behaviours import Phrases
from tersely.analysis.clusters import label_of
from tersely.errors import UserError
from tersely.evaluation.records import Evaluation
from tersely.records import Estimate, EvalRecord
from tersely.report.family import Family
from tersely.report.load import Run

BASE = "base"
SHARES = {"accuracy", "truncated", "no_answer", "unjudged", "pass_at_k",
          "share_after_answer", "stated_but_wrong", "stated_by_chance", "loops"}  # fmt: skip
"""Quantities of a summary that lie in [0, 1]."""
CHECKS = ("verification", "backtracking")
"""Behaviours that together are called checks: both look again at what is already written."""


@dataclass(frozen=True)
class Result:
    """One seed of an entry on one task."""

    run: Run
    evaluation: Evaluation
    versus: PairedComparison | None
    """With its base; None for a base or a run without one."""
    base_path: Path | None = None
    """Folder of that base."""

    @property
    def seed(self) -> str:
        return "-" if self.run.seed is None else str(self.run.seed)

    @cached_property
    def checks(self) -> dict[str, Estimate]:
        """Difficulty -> checks a response; the key "" is all of them."""
        summary = self.evaluation.summary
        counted = [(r, float(_checks(r, summary.phrases))) for r in self.evaluation.responses()]
        labels = ["", *summary.by_difficulty]
        return {label: _clustered([pair for pair in counted if label in ("", label_of(pair[0]))]) for label in labels}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of every table: the base, or a member of the family."""

    label: str
    alpha: float | None
    variant: str
    results: tuple[Result, ...]

    @property
    def is_base(self) -> bool:
        """No alpha and no name of its own: what everything is compared with."""
        return self.alpha is None and not self.variant

    def overall(self, *keys: str | int) -> Estimate | None:
        """A quantity of the summary's overall block, for example ``overall("behaviours", "verification")``."""
        found = [_dig(result.evaluation.summary.overall, keys) for result in self.results]
        return over_seeds(found, share=bool(SHARES & set(keys)))

    def at(self, difficulty: str, *keys: str | int) -> Estimate | None:
        """The same at one difficulty."""
        found = [_dig(r.evaluation.summary.by_difficulty.get(difficulty), keys) for r in self.results]
        return over_seeds(found, share=bool(SHARES & set(keys)))

    def gain(self, key: str, difficulty: str | None = None) -> Estimate | None:
        """A quantity of the comparison with the base: "token_saving", "accuracy_difference", ..."""
        return over_seeds([_gain(result, key, difficulty) for result in self.results])

    def checks(self, difficulty: str = "") -> Estimate | None:
        return over_seeds([result.checks.get(difficulty) for result in self.results])

    def clusters(self, make: Callable[[Sequence[EvalRecord]], dict[str, list[float]]]) -> dict[str, list[float]]:
        """Problem id -> the values of all seeds together."""
        joined: dict[str, list[float]] = {}
        for result in self.results:
            for problem, values in make(result.evaluation.responses()).items():
                joined.setdefault(problem, []).extend(values)
        return joined


@dataclass(frozen=True, slots=True)
class View:
    """Everything known about one task."""

    task: str
    protocol: ProtocolFacts
    entries: tuple[Entry, ...]
    difficulties: tuple[str, ...]
    behaviours: tuple[str, ...]

    @property
    def base(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.is_base), None)

    @property
    def line(self) -> tuple[Entry, ...]:
        """Members with the family's usual settings, by rising alpha."""
        return tuple(entry for entry in self.entries if not entry.is_base and not entry.variant)

    @property
    def trained(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if not entry.is_base)

    @property
    def many_seeds(self) -> bool:
        return any(len(entry.results) > 1 for entry in self.entries)


def make_view(family: Family, task: str) -> View:
    """Pair, compare and order everything on one task; evaluations under different protocols are a UserError."""
    entries = []
    if family.bases:
        results = tuple(Result(run, run.evaluations[task], None) for run in family.bases)
        entries.append(Entry(BASE, None, "", results))
    for member in family.members:
        results = tuple(_result(seed.run, seed.base, task) for seed in member.seeds)
        entries.append(Entry(member.label, member.alpha, member.variant, results))
    everyone = [result for entry in entries for result in entry.results]
    _require_one_protocol(everyone)
    first = everyone[0].evaluation
    labels = {label for result in everyone for label in result.evaluation.summary.by_difficulty}
    return View(
        task=task,
        protocol=first.protocol.without_model(),
        entries=tuple(entries),
        difficulties=tuple(sorted(labels, key=difficulty_order)),
        behaviours=tuple(first.summary.phrases),
    )


def over_seeds(estimates: Sequence[Estimate | None], share: bool = False) -> Estimate | None:
    """``analysis.seeds.over_seeds``; the interval of a ``share`` is cut to [0, 1]."""
    return seeds.over_seeds(estimates, (0.0, 1.0) if share else (-math.inf, math.inf))


def _result(run: Run, base: Run | None, task: str) -> Result:
    evaluation = run.evaluations[task]
    if base is None:
        return Result(run, evaluation, None)
    other = base.evaluations[task]
    try:
        versus = compare_paired(other.responses(), evaluation.responses(), other.protocol, evaluation.protocol)
    except UserError as error:
        raise UserError(f"{run.name} cannot be compared with {base.name} on {task}: {error}") from error
    return Result(run, evaluation, versus, base.path)


def _require_one_protocol(results: list[Result]) -> None:
    """Members are drawn in one figure, so they too must have been evaluated alike."""
    first = results[0].evaluation.protocol
    for result in results[1:]:
        differing = first.differing(result.evaluation.protocol, {"model"})
        if differing:
            raise UserError(
                f"{result.run.name} was evaluated under another {' and '.join(differing)} than {results[0].run.name}: "
                "evaluate all of them under the same protocol"
            )


def _dig(block: SummaryBlock | PairedBlock | None, keys: Sequence[str | int]) -> Estimate | None:
    """What stands in a block under these names, one within the other; None where any of them is missing."""
    found: object = block
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else getattr(found, str(key), None)
    return found if isinstance(found, Estimate) else None


def _gain(result: Result, key: str, difficulty: str | None) -> Estimate | None:
    if result.versus is None:
        return None
    block = result.versus.overall if difficulty is None else result.versus.by_difficulty.get(difficulty)
    return _dig(block, (key,))


def _checks(record: EvalRecord, phrases: Phrases) -> int:
    counts = count_behaviours(record.text, phrases)
    return sum(counts[name] for name in CHECKS if name in counts)


def _clustered(pairs: Sequence[tuple[EvalRecord, float]]) -> Estimate:
    clusters: dict[str, list[float]] = {}
    for record, value in pairs:
        clusters.setdefault(record.problem_id, []).append(value)
    return clustered_mean(clusters)
