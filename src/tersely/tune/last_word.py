"""What is said of the chosen model: measured on problems that decided nothing, against the base and the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tersely.analysis.bounded import loss_bound
from tersely.analysis.clusters import by_problem, difficulty_order, label_of, token_clusters
from tersely.analysis.intervals import clustered_mean, paired_saving
from tersely.records import Estimate, EvalRecord, JsonObject, Problem
from tersely.tune.measuring import changes

THIRDS = ("easiest third", "middle third", "hardest third")


@dataclass(frozen=True, slots=True)
class Versus:
    """A model against another on the same problems."""

    against: str
    problems: int
    change: float
    """Mean change of accuracy, as a share."""
    low: float
    """What it is at least, at the confidence that was asked for (one-sided)."""
    saving: Estimate
    """Share of the other's tokens that is saved."""

    def to_json(self) -> JsonObject:
        told = {name: getattr(self, name) for name in ("against", "problems", "change", "low")}
        return {**told, "saving": self.saving.to_json()}


@dataclass(frozen=True, slots=True)
class LastWord:
    """Of one model, on the third set."""

    accuracy: float
    tokens: Estimate
    p95: float
    """95 % of the responses need at most so many tokens."""
    versus: tuple[Versus, ...]
    """Against the reference first, then the base, then the run's best, where they are others than the model."""
    thirds: Mapping[str, Versus]
    """By difficulty, against the reference: the hardest problems pay most."""

    def to_json(self) -> JsonObject:
        return {
            "accuracy": self.accuracy,
            "tokens": self.tokens.to_json(),
            "p95": self.p95,
            "versus": [one.to_json() for one in self.versus],
            "thirds": {name: one.to_json() for name, one in self.thirds.items()},
        }


def last_word(
    model: Sequence[EvalRecord],
    others: Mapping[str, Sequence[EvalRecord]],
    problems: Sequence[Problem],
    confidence: float,
) -> LastWord:
    """``others``: responses of the models to compare with by name, the reference first; none where it is the model."""
    tokens = np.array([record.tokens for record in model], dtype=np.float64)
    against = tuple(_versus(name, records, model, problems, confidence) for name, records in others.items())
    parts: dict[str, Versus] = {}
    for reference, records in list(others.items())[:1]:
        for name, part in zip(THIRDS, thirds(records, problems), strict=True):
            if part:
                parts[name] = _versus(reference, records, model, part, confidence)
    right = float(np.mean([record.correct for record in model]))
    return LastWord(right, clustered_mean(token_clusters(model)), float(np.quantile(tokens, 0.95)), against, parts)


def thirds(base: Sequence[EvalRecord], problems: Sequence[Problem]) -> tuple[list[Problem], ...]:
    """(easiest, middle, hardest) problems: by their labels where they have three or more, each label in one third;
    else by the tokens that the base took for them."""
    groups, count = by_problem(base), len(problems)
    labels = [label_of(group[0]) for group in groups.values()]
    if len(set(labels)) >= len(THIRDS):
        of_label = sorted({*labels}, key=difficulty_order)
        ranked = [[p for p in problems if p.id in groups and label_of(groups[p.id][0]) == label] for label in of_label]
    else:
        known = [p for p in problems if p.id in groups]
        ranked = [[p] for p in sorted(known, key=lambda p: sum(r.tokens for r in groups[p.id]))]
    found: tuple[list[Problem], ...] = ([], [], [])
    before = 0
    for group in ranked:
        found[int(3 * (before + len(group) / 2) / count)].extend(group)
        before += len(group)
    return found


def _versus(
    name: str, other: Sequence[EvalRecord], model: Sequence[EvalRecord], problems: Sequence[Problem], confidence: float
) -> Versus:
    ids = {problem.id for problem in problems}
    before, after = ([r for r in records if r.problem_id in ids] for records in (other, model))
    changes_P = changes(before, after, problems)
    saving = paired_saving(token_clusters(before), token_clusters(after))
    return Versus(name, changes_P.size, float(changes_P.mean()), loss_bound(changes_P, confidence), saving)
