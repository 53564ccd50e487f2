"""``tersely verify FILE.jsonl``: lines with a gold answer and a response in, the same lines with verdicts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tersely.errors import UserError, require_known
from tersely.records import Kind
from tersely.verify.judge import KINDS, Judge

BATCH = 256
"""Lines judged at once: enough to keep every worker busy."""


def parse_line(line: str, number: int) -> dict[str, Any]:
    """One line as an object with strings "gold" and "response" and a known "kind". UserError names the line."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"line {number} is not JSON ({error}); every line must be one object") from error
    if not isinstance(row, dict):
        raise UserError(f"line {number} is no JSON object; it needs the fields gold and response")
    for name in ("gold", "response"):
        if not isinstance(row.get(name), str):
            raise UserError(f"line {number} has no text field {name!r}; fields there: {', '.join(row) or 'none'}")
    require_known(f"kind on line {number}", str(row.get("kind", Kind.MATH)), KINDS)
    return row


def verify_lines(lines: Iterable[str], judge: Judge | None = None, default: str = Kind.MATH) -> Iterator[str]:
    """Yield each line with status, extracted, reason and seconds, in order; blank lines are left out.

    All lines are checked before the first is judged, golds too, so that a malformed one (UserError with its number)
    loses no output. Without ``judge`` one is made and closed here.
    """
    rows = [(n, parse_line(line, n)) for n, line in enumerate(lines, start=1) if line.strip()]
    owned = judge is None
    judge = judge or Judge()
    try:
        kinds = [str(row.get("kind", default)) for _, row in rows]
        reasons = judge.check_golds((row["gold"], kind) for (_, row), kind in zip(rows, kinds, strict=True))
        for (number, row), reason in zip(rows, reasons, strict=True):
            if reason:
                raise UserError(f"line {number}: the gold answer {row['gold'][:80]!r} {reason}")
        for start in range(0, len(rows), BATCH):
            part = [row for _, row in rows[start : start + BATCH]]
            items = [(row["gold"], row["response"], kind) for row, kind in zip(part, kinds[start:], strict=False)]
            for row, verdict in zip(part, judge.judge(items), strict=True):
                found = {"status": verdict.status.value, "extracted": verdict.extracted, "reason": verdict.reason}
                yield json.dumps({**row, **found, "seconds": round(verdict.seconds, 6)}, ensure_ascii=True)
    finally:
        if owned:
            judge.close()
