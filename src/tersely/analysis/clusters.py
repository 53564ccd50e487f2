"""Evaluated responses by problem and by difficulty: what every estimate is computed from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tersely.errors import UserError
from tersely.records import EvalRecord, Status

UNLABELLED = "unlabelled"
"""The difficulty of problems that have none."""


def by_problem(records: Iterable[EvalRecord]) -> dict[str, list[EvalRecord]]:
    """Problem id -> its responses, in the order given."""
    groups: dict[str, list[EvalRecord]] = {}
    for record in records:
        groups.setdefault(record.problem_id, []).append(record)
    return groups


def label_of(record: EvalRecord) -> str:
    """The difficulty that a response is grouped under."""
    return UNLABELLED if record.difficulty is None else record.difficulty


def by_difficulty(records: Iterable[EvalRecord]) -> dict[str, list[EvalRecord]]:
    """The records of each difficulty label, easiest first (``difficulty_order``)."""
    groups: dict[str, list[EvalRecord]] = {}
    for record in records:
        groups.setdefault(label_of(record), []).append(record)
    return {label: groups[label] for label in sorted(groups, key=difficulty_order)}


def difficulty_order(label: str) -> tuple[bool, list[tuple[bool, float, str]]]:
    """Sort key under which "level 2" stands before "level 10", 4.25 before 4.5, and unlabelled last."""
    pieces = [piece for piece in re.split(r"([0-9]+(?:\.[0-9]+)?)", label) if piece]
    parts = [(False, float(piece), "") if piece[0] in "0123456789" else (True, 0, piece) for piece in pieces]
    return label == UNLABELLED, parts


def clusters_of(
    records: Iterable[EvalRecord],
    value: Callable[[EvalRecord], float],
    keep: Callable[[EvalRecord], bool] = lambda _: True,
) -> dict[str, list[float]]:
    """Problem id -> a value of each response that is kept; problems without any are absent."""
    clusters: dict[str, list[float]] = {}
    for record in records:
        if keep(record):
            clusters.setdefault(record.problem_id, []).append(float(value(record)))
    return clusters


def accuracy_clusters(records: Iterable[EvalRecord]) -> dict[str, list[float]]:
    """Problem id -> 1 or 0 for each judged response; problems without a judged response are absent."""
    return clusters_of(records, lambda r: r.correct, judged)


def token_clusters(records: Iterable[EvalRecord]) -> dict[str, list[float]]:
    """Problem id -> sampled tokens of each response."""
    return clusters_of(records, lambda r: r.tokens)


def judged(record: EvalRecord) -> bool:
    return record.status is not Status.UNJUDGED


def require_distinct_samples(records: Sequence[EvalRecord]) -> None:
    """UserError for no records at all, two of one sample of a problem, or a problem of two difficulties."""
    if not records:
        raise UserError("there is not a single response to summarise: evaluate the model first")
    seen: set[tuple[str, int]] = set()
    labels: dict[str, str | None] = {}
    for record in records:
        key = (record.problem_id, record.sample)
        if key in seen:
            raise UserError(f"problem {key[0]} has sample {key[1]} twice: keep one line for each response")
        seen.add(key)
        if labels.setdefault(record.problem_id, record.difficulty) != record.difficulty:
            raise UserError(f"problem {record.problem_id} has two difficulties: give it one and evaluate again")
