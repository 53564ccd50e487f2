"""``tersely score``: the method for people who sample elsewhere, one JSON line in, one JSON line out.

A line holds ``group`` (string or integer: which prompt), ``correct`` (true or false; truncated responses are wrong),
``length`` (tokens) and optionally ``judged`` (false where the checker could not say). It comes back with every field
of its own and ``reward`` and ``advantage``; ``dropped`` says why where a whole group gives no credit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import UserError, nearest
from tersely.jsonl import NumberedRow, Row, display_name, parse_lines, read_jsonl
from tersely.objective import Objective
from tersely.records import Credit
from tersely.runs.logs import json_line

REQUIRED = ("group", "correct", "length")
WRITTEN = ("reward", "advantage", "dropped")
"""Fields that scoring writes; older values of theirs in the input are replaced."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One validated line. Example: ``ScoreRow("p1", True, 120.0, True, {"group": "p1", ...})``."""

    group: str | int
    correct: bool
    length: float
    """Tokens, finite, >= 0."""
    judged: bool
    fields: Row
    """The whole line as it was read."""


def score_file(path: str | Path, objective: Objective) -> list[str]:
    """``score_lines`` for a file; ``-`` is standard input. Raises UserError also for a file that cannot be read."""
    return score_rows(read_jsonl(path), objective, display_name(path))


def score_lines(lines: Iterable[str], objective: Objective) -> list[str]:
    """Score JSON lines, blank ones skipped, order kept; returns lines without their line end.

    Groups are made by the value of ``group`` wherever the lines stand; 1 and "1" are two groups. Raises UserError
    for a malformed line (with its number) and for a group of fewer than two responses (with its name).
    """
    return score_rows(list(parse_lines(lines, "input")), objective, "input")


def score_rows(rows: Sequence[NumberedRow], objective: Objective, name: str) -> list[str]:
    """Score rows that are parsed already; ``name`` is how messages call where they came from."""
    if not rows:
        raise UserError(f"{name} is empty; a line needs {_NEEDS}")
    parsed = [_parse_row(row, f"{name}:{number}") for number, row in rows]
    members: dict[str | int, list[int]] = {}
    for place, row in enumerate(parsed):
        members.setdefault(row.group, []).append(place)
    _require_siblings(members, rows)
    credits = objective.credits([_columns([parsed[i] for i in places]) for places in members.values()])
    scored: dict[int, str] = {}
    for places, credit in zip(members.values(), credits, strict=True):
        scored.update({place: _scored_line(parsed[place].fields, credit, i) for i, place in enumerate(places)})
    return [scored[place] for place in range(len(parsed))]


def _columns(rows: Sequence[ScoreRow]) -> tuple[list[bool], list[float], list[bool]]:
    return [row.correct for row in rows], [row.length for row in rows], [row.judged for row in rows]


def _require_siblings(members: dict[str | int, list[int]], rows: Sequence[NumberedRow]) -> None:
    lone = [group for group, places in members.items() if len(places) < 2]
    if lone:
        number = rows[members[lone[0]][0]][0]
        more = f" ({len(lone)} groups are like that)" if len(lone) > 1 else ""
        raise UserError(
            f"group {lone[0]!r} has a single response (line {number}){more}: an advantage compares a response with its "
            "siblings, so sample at least two to each prompt"
        )


def _scored_line(fields: Row, credit: Credit, i: int) -> str:
    kept = {key: value for key, value in fields.items() if key not in WRITTEN}
    scores: Row = {"reward": float(credit.rewards_G[i]), "advantage": float(credit.advantages_G[i])}
    if credit.dropped is not None:
        scores["dropped"] = credit.dropped
    return json_line("the scores", kept | scores)


def _parse_row(row: Row, where: str) -> ScoreRow:
    missing = [key for key in REQUIRED if key not in row]
    if missing:
        hint = nearest(missing[0], row)
        raise UserError(f"{where}: no {' and no '.join(map(repr, missing))} field{hint}; a line needs {_NEEDS}")
    return ScoreRow(
        _group(row["group"], where),
        _truth(row["correct"], "correct", where),
        _length(row["length"], where),
        _truth(row.get("judged", True), "judged", where),
        row,
    )


_NEEDS = '{"group": ..., "correct": true or false, "length": tokens}'


def _group(value: Any, where: str) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"{where}: 'group' must be a string or an integer, not {value!r}")
    return value


def _truth(value: Any, key: str, where: str) -> bool:
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    raise UserError(f"{where}: {key!r} must be true or false, not {value!r}")


def _length(value: Any, where: str) -> float:
    try:
        length = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        length = math.inf
    if not math.isfinite(length) or length < 0:
        raise UserError(f"{where}: 'length' must be a number of tokens >= 0, not {str(value)[:40]!r}")
    return length
