"""Problems that a caller made: records, or rows as a task file would hold them. Taken as strictly as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tersely.errors import UserError
from tersely.records import Problem, content_id
from tersely.tasks.sources import CheckGolds, LeftOut, Reading, Split
from tersely.tasks.sources.checks import Fault, Placed, raise_faults, require_sound
from tersely.tasks.sources.rows import problem_from_row

OwnTask = Sequence[Problem | Mapping[str, Any]]
NAME = "the given problems"


def load_own(
    given: OwnTask, split: Split, check_golds: CheckGolds | None, reading: Reading, left_out: LeftOut | None = None
) -> list[Problem]:
    """The problems as the other sources give them: known by their content (an id of the caller's is not kept).

    UserError that counts what is no problem, lacks an answer or a column, stands twice, or has a gold answer that
    ``check_golds`` refuses (``left_out`` is told of these instead).
    """
    placed: list[Placed] = []
    faults: list[Fault] = []
    for number, item in enumerate(given, start=1):
        try:
            placed.append((f"number {number}", _problem(item, split, reading)))
        except UserError as error:
            faults.append((f"number {number}", str(error)))
    raise_faults(faults, f"{NAME}: {{count}} of {len(given)} cannot be used")
    if not placed:
        raise UserError("no problems found in the list that was given: give at least one")
    return require_sound(placed, NAME, check_golds, left_out)


def _problem(item: object, split: Split, reading: Reading) -> Problem:
    if isinstance(item, Mapping):
        return problem_from_row(item, "own", split, reading)
    if not isinstance(item, Problem):
        raise UserError(f"of type {type(item).__name__}: give a Problem, or a mapping with problem and answer")
    if not item.question.strip():
        raise UserError("the question is empty")
    if item.answer is None and not reading.verified:
        raise UserError("no answer: add it, or give a verifier, which may decide without one")
    payload = reading.payload(item.payload)
    return replace(item, id=content_id(item.question, item.answer, payload), split=split, payload=payload)
