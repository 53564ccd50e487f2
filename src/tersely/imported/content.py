"""What every format does alike: a problem out of what was asked, and long values by a digest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from tersely.errors import UserError
from tersely.records import Kind, Problem
from tersely.tasks.sources import Reading
from tersely.tasks.sources.rows import problem_from_row

LABELS = ("difficulty", "level")
"""Columns that say how hard a problem is."""


def problem(
    question: str, answer: str, about: Mapping[str, Any], task: str, where: str, kind: str = Kind.MATH
) -> Problem:
    """Known by what was asked and what is right, never by the log's own id; ``about`` are its further columns.

    A scorer may do without an answer, as a verifier may. UserError that begins with ``where`` for no question.
    """
    labels = (about.get(name) for name in LABELS)
    difficulty = next((str(label) for label in labels if isinstance(label, str | int | float)), None)
    row = {"problem": question, "answer": answer, "kind": kind, "difficulty": difficulty}
    try:
        return problem_from_row(row, task, "held_out", Reading(verified=True))
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def digest(value: Any) -> str:
    """Six hex digits of SHA-256 over the value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:6]


def require_once(names: Iterable[Hashable], where: str) -> None:
    """UserError for a name that stands twice: nobody could say which of the two responses is the one."""
    twice, times = next(iter(Counter(names).most_common(1)), (None, 0))
    if times > 1:
        raise UserError(f"{where} holds {twice} {times} times: import the log as its evaluator wrote it")


def cap(*said: Any) -> Any:
    """The first of several settings that bounds a response; what is not above 0 stands for none."""
    return next((value for value in said if value is not None and not (is_number(value) and value <= 0)), None)


def is_number(value: object) -> bool:
    """True and False count as numbers, as scores have them."""
    return isinstance(value, bool | int | float)
