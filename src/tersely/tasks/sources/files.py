"""Problems from a JSON Lines file of anyone's: checked whole before one of them is used.

A line: ``problem`` or ``question``; ``answer``; optionally ``kind`` or ``answer_type``, ``choices`` (letter -> text),
``difficulty`` or ``level``, ``source``. Anything else, ``id`` too, is ignored: a problem is known by its content.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tersely.errors import UserError, nearest, require_known
from tersely.jsonl import STDIN, NumberedRow, Row, display_name, read_jsonl
from tersely.records import Kind, Problem, content_id

CheckGolds = Callable[[Sequence[tuple[str, str]]], list[str | None]]
"""Why a gold answer cannot be used, or None where it can."""

ANSWER_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("math", "integer", "number", "fraction", "expression"), Kind.MATH),
        **dict.fromkeys(("exact", "text"), Kind.EXACT),
        "choice": Kind.CHOICE,
    }
)
"""What ``kind`` and ``answer_type`` may say, and how such an answer is compared."""

SHOWN = 5
"""How many faulty lines a message lists; the rest are counted."""


def load_problems(path: str | Path, *, check_golds: CheckGolds | None = None, split: str = "train") -> list[Problem]:
    """All problems of a JSON Lines file in its order; ``-`` is standard input.

    Problems without a kind are MATH, or CHOICE where they have ``choices``, which are appended to the question as
    lines ``(A) text``. ``source`` defaults to the file's name. Raises UserError with line numbers for lines that are
    malformed, for missing or empty fields, for the same problem twice, for one question with two answers, and for
    gold answers that ``check_golds`` refuses; nothing is loaded in part.
    """
    name = display_name(path)
    numbered = _read_problems(path, split)
    _refuse_twins(numbered, name)
    if check_golds is not None:
        _refuse_golds(numbered, name, check_golds)
    return [problem for _, problem in numbered]


def read_problems(path: str | Path, *, split: str = "train") -> list[Problem]:
    """As ``load_problems``, but duplicates stay and gold answers are not looked at: raw material to be filtered."""
    return [problem for _, problem in _read_problems(path, split)]


def problem_from_row(row: Row, source: str, split: str) -> Problem:
    """One row (fields as the module says) as a Problem; a UserError says what is wrong with it."""
    return _problem(row, source, split)


def _read_problems(path: str | Path, split: str) -> list[tuple[int, Problem]]:
    source = "stdin" if str(path) == STDIN else Path(path).stem
    return _each_line(read_jsonl(path), display_name(path), lambda row: _problem(row, source, split))


def check_disjoint(train: Iterable[Problem], held_out: Iterable[Problem]) -> None:
    """Raise a UserError that counts what two sets of problems share, by content id or by question alone."""
    trained, held = list(train), list(held_out)
    ids = {problem.id for problem in trained}
    questions = {_normal(problem.question) for problem in trained}
    by_id = sum(problem.id in ids for problem in held)
    shared = [problem for problem in held if problem.id in ids or _normal(problem.question) in questions]
    if shared:
        raise UserError(
            f"{len(shared)} of {len(held)} held-out problems are also among the {len(trained)} training problems "
            f"({by_id} with the same answer, {len(shared) - by_id} with another), the first: "
            f"{_normal(shared[0].question)[:80]!r}; remove them from the training file, or accuracy measures memory"
        )


def _each_line(rows: Sequence[NumberedRow], name: str, make: Callable[[Row], Problem]) -> list[tuple[int, Problem]]:
    """Make a problem of every row, collecting what is wrong with all of them before complaining."""
    problems: list[tuple[int, Problem]] = []
    faults: list[tuple[int, str]] = []
    for number, row in rows:
        try:
            problems.append((number, make(row)))
        except UserError as error:
            faults.append((number, str(error)))
    _raise_faults(
        faults, f"{name}: {{count}} of {len(rows)} lines cannot be used as problems (each needs problem and answer)"
    )
    return problems


def _raise_faults(faults: Sequence[tuple[int, str]], headline: str) -> None:
    if faults:
        shown = "; ".join(f"line {number}: {fault}" for number, fault in faults[:SHOWN])
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise UserError(f"{headline.format(count=len(faults))}: {shown}{more}")


def _refuse_twins(numbered: Sequence[tuple[int, Problem]], name: str) -> None:
    first: dict[str, tuple[int, Problem]] = {}
    faults: list[tuple[int, str]] = []
    for number, problem in numbered:
        before, twin = first.setdefault(_normal(problem.question), (number, problem))
        if before == number:
            continue
        same = twin.id == problem.id
        what = "the same problem as" if same else f"answer {problem.gold!r}, but {twin.gold!r} to the same question on"
        faults.append((number, f"{what} line {before}"))
    _raise_faults(faults, f"{name}: {{count}} duplicate problems (remove all but one of each)")


def _refuse_golds(numbered: Sequence[tuple[int, Problem]], name: str, check_golds: CheckGolds) -> None:
    reasons = check_golds([(problem.gold, problem.kind) for _, problem in numbered])
    faults = [
        (number, f"{problem.gold[:60]!r} ({reason})")
        for (number, problem), reason in zip(numbered, reasons, strict=True)
        if reason is not None
    ]
    _raise_faults(faults, f"{name}: {{count}} of {len(numbered)} gold answers cannot be read")


def _problem(row: Row, source: str, split: str) -> Problem:
    """One row as a Problem; a UserError here says what is wrong without saying where."""
    question = _text(row, "problem", "question")
    answer = _text(row, "answer")
    kind = _kind(row)
    if kind == Kind.CHOICE:
        question = _with_choices(question, answer, row)
    return Problem(
        id=content_id(question, answer),
        question=question,
        answer=answer,
        kind=kind,
        source=_label(row, "source") or source,
        difficulty=_label(row, "difficulty", "level"),
        split=split,
    )


def _normal(text: str) -> str:
    return " ".join(text.split())


def _text(row: Row, *keys: str) -> str:
    """The one of these fields that is there: text that is not empty, or a number as text."""
    given = [key for key in keys if row.get(key) is not None]
    named = " or ".join(map(repr, keys))
    if not given:
        raise UserError(f"no {named} field{nearest(keys[0], [key for key in row if key not in keys])}")
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


def _label(row: Row, *keys: str) -> str | None:
    """The first of these optional fields that says something."""
    labels = (_as_text(row[key], key) for key in keys if row.get(key) is not None)
    return next((label for label in labels if label), None)


def _kind(row: Row) -> str:
    for key in ("kind", "answer_type"):
        name = _label(row, key)
        if name is not None:
            return ANSWER_TYPES[require_known(key, name.lower(), ANSWER_TYPES)]
    return Kind.CHOICE if row.get("choices") is not None else Kind.MATH


def _with_choices(question: str, answer: str, row: Row) -> str:
    """Append the choices; without any (they may stand in the question) the answer need only be a letter."""
    choices = row.get("choices")
    if choices is None:
        if len(answer) != 1 or answer not in string.ascii_uppercase:
            raise UserError(f"the answer to a choice must be its letter A to Z, not {answer[:40]!r}")
        return question
    if not isinstance(choices, dict) or len(choices) < 2:
        raise UserError('\'choices\' must map at least two letters to texts, such as {"A": "yes", "B": "no"}')
    odd = [letter for letter in choices if len(letter) != 1 or letter not in string.ascii_uppercase]
    if odd:
        raise UserError(f"'choices' must be named by single letters A to Z, not {odd[0]!r}")
    if answer not in choices:
        raise UserError(f"answer {answer[:40]!r} is none of the choices {', '.join(choices)}")
    lines = [f"({letter}) {_text(choices, letter)}" for letter in choices]
    return "\n".join([question, *lines])
