"""What a checkpoint scored on the choosing problems: counts that every number of the choice is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tersely.records import EvalRecord, FloatArray, Group, Json, JsonObject, Status

BASE = "base"


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's responses to the P choosing problems, k to each, in the order of the problems.

    Example: ``Measured("step-000005", 5, 0.025, (2, 1), (2, 2), ((31, 40), (28, 55)))``
    """

    member: str
    """Its name, and that of its folder."""
    step: int
    """Of the run; 0 is the base."""
    alpha: float | None
    """Of that step; None for the base and for weights between two checkpoints."""
    right_P: tuple[int, ...]
    """[P] how many responses were right."""
    judged_P: tuple[int, ...]
    """[P] how many could be judged."""
    tokens_PK: tuple[tuple[int, ...], ...]
    """[P, k] tokens of each response."""

    @classmethod
    def of(cls, member: str, step: int, alpha: float | None, groups: Sequence[Group]) -> Measured:
        return cls(
            member,
            step,
            alpha,
            tuple(int(group.correct_G.sum()) for group in groups),
            tuple(int(group.judged_G.sum()) for group in groups),
            tuple(tuple(rollout.length for rollout in group.rollouts) for group in groups),
        )

    @classmethod
    def of_records(cls, member: str, step: int, records: Sequence[EvalRecord], order: Sequence[str]) -> Measured:
        """From evaluated responses; ``order``: ids of the choosing problems."""
        by_problem: dict[str, list[EvalRecord]] = {problem: [] for problem in order}
        for record in records:
            by_problem[record.problem_id].append(record)
        groups = [sorted(group, key=lambda record: record.sample) for group in by_problem.values()]
        return cls(
            member,
            step,
            None,
            tuple(sum(r.correct for r in group) for group in groups),
            tuple(sum(r.status is not Status.UNJUDGED for r in group) for group in groups),
            tuple(tuple(r.tokens for r in group) for group in groups),
        )

    @property
    def rates_P(self) -> FloatArray:
        """[P] share right of the judged; NaN where none could be judged."""
        right_P, judged_P = np.array(self.right_P, float), np.array(self.judged_P, float)
        rates_P: FloatArray = np.divide(right_P, judged_P, out=np.full_like(right_P, np.nan), where=judged_P > 0)
        return rates_P

    @property
    def accuracy(self) -> float:
        return float(np.nanmean(self.rates_P))

    def length(self, quantile: float | None = None) -> float:
        """Mean tokens of a response, or this quantile of them."""
        tokens = np.array(self.tokens_PK, dtype=np.float64)
        return float(tokens.mean()) if quantile is None else float(np.quantile(tokens, quantile))

    def to_json(self) -> JsonObject:
        return {
            "member": self.member,
            "step": self.step,
            "alpha": self.alpha,
            "accuracy": self.accuracy,
            "tokens_mean": self.length(),
            "right": list(self.right_P),
            "judged": list(self.judged_P),
            "tokens": [list(row) for row in self.tokens_PK],
        }

    @classmethod
    def from_json(cls, line: Json) -> Measured:
        """KeyError, TypeError or ValueError for what ``to_json`` did not write."""
        rows = tuple(tuple(int(n) for n in row) for row in line["tokens"])
        right, judged = (tuple(int(n) for n in line[name]) for name in ("right", "judged"))
        if not len(rows) == len(right) == len(judged):
            raise ValueError("right, judged and tokens are of different numbers of problems")
        return cls(str(line["member"]), int(line["step"]), line["alpha"], right, judged, rows)


@dataclass(frozen=True, slots=True)
class Point:
    """A model on the frontier: how long it is, and what it loses against a reference on the same problems."""

    member: str
    step: int
    tokens: float
    """Mean of its responses, or the quantile that was asked for."""
    change: float
    """Mean change of accuracy over problems, as a share."""
    spread: float
    """Standard deviation of the change over problems."""
    error: float
    """Standard error of ``change``."""


def point(measured: Measured, reference: Measured, quantile: float | None = None) -> Point:
    """Paired by problem; problems that either could not be judged on are left out."""
    changes_P = measured.rates_P - reference.rates_P
    changes_P = changes_P[~np.isnan(changes_P)]
    spread = float(changes_P.std(ddof=1)) if changes_P.size > 1 else 0.0
    change = float(changes_P.mean()) if changes_P.size else 0.0
    error = spread / max(1, changes_P.size) ** 0.5
    return Point(measured.member, measured.step, measured.length(quantile), change, spread, error)


def most_accurate(measured: Sequence[Measured]) -> Measured:
    """The first with the highest accuracy."""
    return max(measured, key=lambda one: one.accuracy)
