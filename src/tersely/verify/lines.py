"""``tersely verify FILE.jsonl``: lines with a gold answer and a response in, the same lines with verdicts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Any

from tersely.errors import UserError
from tersely.records import Kind, Problem, content_id
from tersely.verify.judge import Judge
from tersely.verify.kinds import look_up

BATCH = 256
"""Lines judged at once: enough to keep every worker busy."""

Row = dict[str, Any]
"""One line as it was read: given back with the verdict."""


def parse_line(line: str, number: int, judge: Judge, default: str) -> tuple[Row, Problem]:
    """One line as an object and as a problem. UserError names the line.

    It has strings "response" and "gold" (which may be missing where a verifier decides) and perhaps a known "kind" and
    a "question"; further columns are the problem's payload.
    """
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"line {number} is not JSON ({error}); every line must be one object") from error
    if not isinstance(row, dict):
        raise UserError(f"line {number} is no JSON object; it needs the fields gold and response")
    for name in ("response",) if judge.verifier is not None and row.get("gold") is None else ("gold", "response"):
        if not isinstance(row.get(name), str):
            raise UserError(f"line {number} has no text field {name!r}; fields there: {', '.join(row) or 'none'}")
    question, gold, kind = str(row.get("question", "")), row.get("gold"), str(row.get("kind", default))
    if judge.verifier is None:
        try:
            look_up(kind, judge.kinds)
        except UserError as error:
            raise UserError(f"line {number}: {error}") from error
    further = {name: value for name, value in row.items() if name not in ("question", "gold", "response", "kind")}
    payload = MappingProxyType(further)
    return row, Problem(content_id(question, gold), question, gold, kind, "line", payload=payload)


def verify_lines(lines: Iterable[str], judge: Judge | None = None, default: str = Kind.MATH) -> Iterator[str]:
    """Yield each line with status, extracted, reason and seconds, in order; blank lines are left out.

    A verifier's score is added where there is one. All lines are checked before the first is judged, golds too, so
    that a malformed one (UserError with its number) loses no output. ``default`` is the kind of a line that names
    none. Without ``judge`` one is made and closed here.
    """
    if judge is None:
        with Judge() as own:
            yield from verify_lines(lines, own, default)
        return
    numbered = [(n, *parse_line(line, n, judge, default)) for n, line in enumerate(lines, start=1) if line.strip()]
    reasons = judge.check_golds((problem.gold, problem.kind) for _, _, problem in numbered)
    for (number, _, problem), reason in zip(numbered, reasons, strict=True):
        if reason:
            raise UserError(f"line {number}: the gold answer {problem.gold[:80]!r} {reason}")
    for start in range(0, len(numbered), BATCH):
        yield from _judged([(row, problem) for _, row, problem in numbered[start : start + BATCH]], judge)


def _judged(rows: Sequence[tuple[Row, Problem]], judge: Judge) -> Iterator[str]:
    verdicts = judge.grade([(problem, row["response"]) for row, problem in rows])
    for (row, _), verdict in zip(rows, verdicts, strict=True):
        found = {"status": verdict.status.value, "extracted": verdict.extracted, "reason": verdict.reason}
        score = {} if verdict.score is None else {"score": verdict.score}
        seconds = round(verdict.seconds, 6)
        yield json.dumps({**row, **found, **score, "seconds": seconds}, ensure_ascii=True)
