"""``tersely score``: the method for people who sample elsewhere, one JSON line in, one JSON line out.

A line holds ``group`` (string or integer: which prompt), ``correct`` (true or false, or a score from 0 to 1; truncated
responses are wrong), ``length`` (tokens) and optionally ``judged`` (false where the checker could not say). What some
methods need beside these stands in ``truncated``, ``budget``, ``text`` and ``problem``. A line comes back with every
field of its own and ``reward`` and ``advantage``; ``dropped`` says why where a whole group gives no credit. A file is
one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import UserError, nearest
from tersely.jsonl import NumberedRow, Row, display_name, parse_lines, read_jsonl
from tersely.objective import FlatCredit, Need, Objective
from tersely.objective.flat import places_of
from tersely.runs.logs import json_line

REQUIRED = ("group", "correct", "length")
WRITTEN = ("reward", "advantage", "dropped")
"""Fields that scoring writes; older values of theirs in the input are replaced."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One validated line. Example: ``ScoreRow("p1", 1.0, 120.0, True, {"group": "p1", ...})``."""

    group: str | int
    score: float
    """1 or 0 for correct and wrong, between them where graded."""
    length: float
    """Tokens, finite, >= 0."""
    judged: bool
    fields: Row
    """The whole line as it was read."""


def score_file(path: str | Path, objective: Objective, cap: int | None = None) -> list[str]:
    """``score_lines`` for a file; ``-`` is standard input. Raises UserError also for a file that cannot be read."""
    return score_rows(read_jsonl(path), objective, display_name(path), cap)


def score_lines(lines: Iterable[str], objective: Objective, cap: int | None = None) -> list[str]:
    """Score JSON lines, blank ones skipped, order kept; returns lines without their line end.

    Groups are made by the value of ``group`` wherever the lines stand; 1 and "1" are two groups. ``cap`` [tokens] is
    for methods that need it. Raises UserError for a malformed line (with its number) and for a group of fewer than
    two responses (with its name).
    """
    return score_rows(list(parse_lines(lines, "input")), objective, "input", cap)


def score_rows(rows: Sequence[NumberedRow], objective: Objective, name: str, cap: int | None = None) -> list[str]:
    """Score rows that are parsed already; ``name`` is how messages call where they came from."""
    if not rows:
        raise UserError(f"{name} is empty; a line needs {_NEEDS}")
    parsed = [_parse_row(row, f"{name}:{number}") for number, row in rows]
    groups = [row.group for row in parsed]
    _require_siblings(places_of(groups), rows)
    if Need.CAP in objective.needs and cap is None:
        raise UserError(
            f"method {objective.method!r} needs the cap on tokens (cap) that the responses were drawn under: --cap N"
        )
    objective.check_run(max(map(len, places_of(groups).values())), cap)
    scores, lengths, judged = ([getattr(row, key) for row in parsed] for key in ("score", "length", "judged"))
    further = _further(rows, objective, name)
    credit = objective.credit_flat(scores, lengths, groups, judged, cap=cap, **further)
    return [_scored_line(row, credit, i) for i, row in enumerate(parsed)]


def _further(rows: Sequence[NumberedRow], objective: Objective, name: str) -> dict[str, Any]:
    """The columns that the method needs, by the names of ``credit_flat``."""
    found: dict[str, Any] = {}
    for need in FURTHER.keys() & objective.needs:
        key, argument, read = FURTHER[need]
        for number, row in rows:
            if key not in row:
                raise UserError(f"{name}:{number}: no {key!r} field, which method {objective.method!r} needs")
        found[argument] = [read(row[key], key, f"{name}:{number}") for number, row in rows]
    return found


def _require_siblings(members: Mapping[Hashable, Sequence[int]], rows: Sequence[NumberedRow]) -> None:
    lone = [group for group, places in members.items() if len(places) < 2]
    if lone:
        number = rows[members[lone[0]][0]][0]
        more = f" ({len(lone)} groups are like that)" if len(lone) > 1 else ""
        raise UserError(
            f"group {lone[0]!r} has a single response (line {number}){more}: an advantage compares a response with its "
            "siblings, so sample at least two to each prompt"
        )


def _scored_line(row: ScoreRow, credit: FlatCredit, i: int) -> str:
    kept = {key: value for key, value in row.fields.items() if key not in WRITTEN}
    scores: Row = {"reward": float(credit.rewards_N[i]), "advantage": float(credit.advantages_N[i])}
    if row.group in credit.dropped:
        scores["dropped"] = credit.dropped[row.group]
    return json_line("the scores", kept | scores)


def _parse_row(row: Row, where: str) -> ScoreRow:
    missing = [key for key in REQUIRED if key not in row]
    if missing:
        hint = nearest(missing[0], row)
        raise UserError(f"{where}: no {' and no '.join(map(repr, missing))} field{hint}; a line needs {_NEEDS}")
    return ScoreRow(
        _group(row["group"], where),
        _score(row["correct"], where),
        _length(row["length"], "length", where),
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


def _score(value: Any, where: str) -> float:
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise UserError(f"{where}: 'correct' must be true or false, not {value!r}; or a score from 0 to 1")


def _text(value: Any, key: str, where: str) -> str:
    if isinstance(value, str):
        return value
    raise UserError(f"{where}: {key!r} must be a string, not {value!r}")


def _length(value: Any, key: str, where: str) -> float:
    try:
        length = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        length = math.inf
    if not math.isfinite(length) or length < 0:
        raise UserError(f"{where}: {key!r} must be a number of tokens >= 0, not {str(value)[:40]!r}")
    return length


FURTHER: Mapping[Need, tuple[str, str, Callable[[Any, str, str], Any]]] = {
    Need.TRUNCATED: ("truncated", "truncated", _truth),
    Need.BUDGET: ("budget", "budgets", _length),
    Need.TEXT: ("text", "texts", _text),
    Need.PROBLEM: ("problem", "problem_ids", _text),
}
"""What some methods need: its field on a line, its name for ``credit_flat``, and how it is read."""
