"""``tersely verify FILE.jsonl``: lines with a gold answer and a response in, the same lines with verdicts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType

from tersely.errors import UserError
from tersely.jsonl import Row
from tersely.records import Kind, Problem, Status, Verdict, content_id
from tersely.verify.audit import Auditor
from tersely.verify.judge import Judge
from tersely.verify.kinds import look_up
from tersely.verify.published import PUBLISHED, published
from tersely.verify.summary import Tally

BATCH = 256
"""Lines judged at once: enough to keep every worker busy."""


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


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number, what it said, its problem, and why its gold answer cannot be judged."""

    number: int
    row: Row
    problem: Problem
    fault: str | None = None


def verify_lines(
    lines: Iterable[str],
    judge: Judge | None = None,
    default: str = Kind.MATH,
    *,
    tally: Tally | None = None,
    policy: str | None = None,
    audit: bool = False,
) -> Iterator[str]:
    """Yield each line with status, extracted, reason and seconds, in order; blank lines are left out.

    A verifier's score is added where there is one. All lines are read before the first is judged, so that a malformed
    one (UserError with its number) loses no output; one whose gold answer cannot be judged is UNJUDGED. ``default`` is
    the kind of a line that names none. ``policy`` "published" adds ``policy`` and ``own_status`` to each line, and
    ``audit`` what math-verify says; ``tally`` counts. Without ``judge`` one is made and closed here.
    """
    if judge is None:
        with Judge() as own:
            yield from verify_lines(lines, own, default, tally=tally, policy=policy, audit=audit)
        return
    if policy not in (None, PUBLISHED):
        raise UserError(f"policy {policy!r} is unknown: there is {PUBLISHED!r}")
    tally = tally or Tally()
    tally.policy = policy
    read = [Line(n, *parse_line(line, n, judge, default)) for n, line in enumerate(lines, start=1) if line.strip()]
    reasons = judge.check_golds((line.problem.gold, line.problem.kind) for line in read)
    checked = [replace(line, fault=reason) for line, reason in zip(read, reasons, strict=True)]
    with Auditor(judge) if audit else nullcontext() as auditor:
        for start in range(0, len(checked), BATCH):
            yield from _judged(checked[start : start + BATCH], judge, tally, auditor)


def _judged(lines: Sequence[Line], judge: Judge, tally: Tally, auditor: Auditor | None) -> Iterator[str]:
    sound = [line for line in lines if line.fault is None]
    verdicts = iter(judge.grade([(line.problem, line.row["response"]) for line in sound]))
    audits = auditor.grade([(line.problem.gold, line.row["response"]) for line in lines]) if auditor else []
    for place, line in enumerate(lines):
        own = next(verdicts) if line.fault is None else _unjudged(line)
        tally.add(line.number, own, bad_gold=line.fault is not None)
        further: Row = {}
        verdict = own
        if tally.policy == PUBLISHED:
            verdict = published(line.problem, line.row["response"], own)
            tally.agreed += verdict.status is own.status
            further |= {"policy": PUBLISHED, "own_status": own.status.value}
        if audits:
            tally.compare(line.number, own, audits[place])
            further["math_verify"] = audits[place].status.value
        yield json.dumps({**line.row, **_found(verdict), **further}, ensure_ascii=True)


def _unjudged(line: Line) -> Verdict:
    return Verdict(Status.UNJUDGED, None, f"the gold answer {line.problem.gold[:80]!r} {line.fault}", 0.0)


def _found(verdict: Verdict) -> Row:
    found = {"status": verdict.status.value, "extracted": verdict.extracted, "reason": verdict.reason}
    score = {} if verdict.score is None else {"score": verdict.score}
    return {**found, **score, "seconds": round(verdict.seconds, 6)}
