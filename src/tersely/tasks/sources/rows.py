"""One row, such as a line of a task file, as a Problem.

A row: ``problem`` or ``question``; ``answer``; optionally ``kind`` or ``answer_type``, ``choices`` (letter -> text),
``difficulty`` or ``level``, ``source``, ``stratum``. ``id`` is ignored: a problem is known by its content. All other
columns are further ones, which the prompt template and a verifier may read (``Reading``).
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tersely.errors import UserError, nearest, require_known
from tersely.frozen import freeze_mapping
from tersely.records import Json, Kind, Problem, content_id
from tersely.tasks.sources import ORDINARY, Reading

KNOWN = frozenset(
    (
        "id",
        "problem",
        "question",
        "answer",
        "kind",
        "answer_type",
        "choices",
        "difficulty",
        "level",
        "source",
        "stratum",
    )
)
"""Columns with a meaning here; never part of a payload."""

ANSWER_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("math", "integer", "number", "fraction", "expression"), Kind.MATH),
        **dict.fromkeys(("exact", "text"), Kind.EXACT),
        "choice": Kind.CHOICE,
        "countdown": Kind.COUNTDOWN,
    }
)
"""What ``kind`` and ``answer_type`` may say, and how such an answer is compared."""

SHOWN = 6
"""Fields of a line that are named where one is missing."""
_MARKED = re.compile(r"\S.*\s####[ \t]*([-+]?\d[\d,]*(?:\.\d+)?|[-+]?\.\d+)", re.DOTALL)


def problem_from_row(row: Json, source: str, split: str, reading: Reading = ORDINARY) -> Problem:
    """The row as a Problem. ``source`` where the row names none. A UserError says what is wrong, not where."""
    question = _text(row, "problem", "question")
    answer = _answer(row, reading.verified)
    kind = _kind(row)
    if kind == Kind.CHOICE:
        question = _with_choices(question, answer, row)
    if kind == Kind.MATH and answer is not None:
        answer = final_number(answer) or answer
    further = {name: value for name, value in row.items() if name not in KNOWN}
    payload = freeze_mapping(reading.payload(further), "column")
    return Problem(
        id=content_id(question, answer, payload),
        question=question,
        answer=answer,
        kind=kind,
        source=_label(row, "source") or source,
        difficulty=_label(row, "difficulty", "level"),
        split=split,
        payload=payload,
        stratum=_label(row, "stratum"),
    )


def final_number(answer: str) -> str | None:
    """The number of an answer in the form of GSM8K, a text that ends in ``#### 1,200``, without commas; else None."""
    match = _MARKED.fullmatch(answer)
    return match[1].replace(",", "") if match else None


def _answer(row: Json, verified: bool) -> str | None:
    given = row.get("answer")
    if verified and (given is None or (isinstance(given, str) and not given.strip())):
        return None
    if given is None:
        near = _others(row, "answer")
        raise UserError(f"no 'answer' field{near}: add it, or give a verifier, which may decide without one")
    return _text(row, "answer")


def _others(row: Json, *keys: str) -> str:
    """What may be meant by a field that is not there: the nearest one, else all."""
    there = [key for key in row if key not in keys]
    return nearest(keys[0], there) or (f" (fields there: {', '.join(there[:SHOWN])})" if there else "")


def _text(row: Json, *keys: str) -> str:
    """The one of these fields that is there: text that is not empty, or a number as text."""
    given = [key for key in keys if row.get(key) is not None]
    named = " or ".join(map(repr, keys))
    if not given:
        raise UserError(f"no {named} field{_others(row, *keys)}")
    if len(given) > 1 and len({str(row[key]) for key in given}) > 1:
        raise UserError(f"{' and '.join(map(repr, given))} differ; keep one of them")
    text = _as_text(row[given[0]], given[0])
    if not text:
        raise UserError(f"{given[0]!r} is empty")
    return text


def _as_text(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UserError(f"{key!r} must be text or a number, not {type(value).__name__}")
    if not isinstance(value, str):
        return _number_text(value)
    if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise UserError(f"{key!r} holds a NUL or half a surrogate pair, which no tokenizer takes")
    return value.strip()


def _number_text(value: int | float) -> str:
    """5, 5.0 -> "5"; 0.5 -> "0.5"."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _label(row: Json, *keys: str) -> str | None:
    """The first of these optional fields that says something."""
    labels = (_as_text(row[key], key) for key in keys if row.get(key) is not None)
    return next((label for label in labels if label), None)


def _kind(row: Json) -> str:
    for key in ("kind", "answer_type"):
        name = _label(row, key)
        if name is not None:
            return ANSWER_TYPES[require_known(key, name.lower(), ANSWER_TYPES)]
    return Kind.CHOICE if row.get("choices") is not None else Kind.MATH


def _with_choices(question: str, answer: str | None, row: Json) -> str:
    """Append the choices; without any (they may stand in the question) the answer need only be a letter."""
    choices = row.get("choices")
    if choices is None:
        if answer is not None and (len(answer) != 1 or answer not in string.ascii_uppercase):
            raise UserError(f"the answer to a choice must be its letter A to Z, not {answer[:40]!r}")
        return question
    if not isinstance(choices, Mapping) or len(choices) < 2:
        raise UserError('\'choices\' must map at least two letters to texts, such as {"A": "yes", "B": "no"}')
    odd = [letter for letter in choices if letter not in set(string.ascii_uppercase)]
    if odd:
        raise UserError(f"'choices' must be named by single letters A to Z, not {odd[0]!r}")
    if answer is not None and answer not in choices:
        raise UserError(f"answer {answer[:40]!r} is none of the choices {', '.join(choices)}")
    lines = [f"({letter}) {_text(choices, letter)}" for letter in choices]
    return "\n".join([question, *lines])
