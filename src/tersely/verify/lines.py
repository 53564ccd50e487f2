"""``tersely verify FILE.jsonl``: lines with a gold answer and a response in, the same lines with verdicts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType

from tersely.errors import UserError
from tersely.jsonl import Row, parse_lines
from tersely.records import Kind, Problem, Status, Verdict, content_id
from tersely.verify.audit import Auditor
from tersely.verify.judge import Judge
from tersely.verify.kinds import look_up
from tersely.verify.published import PUBLISHED, published
from tersely.verify.summary import Tally

BATCH = 256
"""Lines judged at once: enough to keep every worker busy."""


def read_row(row: Row, where: str, judge: Judge, default: str) -> Problem:
    """The problem that a line states. UserError opens with ``where``.

    It has strings "response" and "gold" (which may be missing where a verifier decides) and perhaps a known "kind" and
    a "question"; further columns are the problem's payload.
    """
    for name in ("response",) if judge.verifier is not None and row.get("gold") is None else ("gold", "response"):
        if not isinstance(row.get(name), str):
            raise UserError(f"{where}: no text field {name!r}; fields there: {', '.join(row) or 'none'}")
    question, gold, kind = str(row.get("question", "")), row.get("gold"), str(row.get("kind", default))
    if judge.verifier is None:
        try:
            look_up(kind, judge.kinds)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    further = {name: value for name, value in row.items() if name not in ("question", "gold", "response", "kind")}
    payload = MappingProxyType(further)
    return Problem(content_id(question, gold), question, gold, kind, "line", payload=payload)


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
    name: str = "input",
) -> Iterator[str]:
    """Yield each line with status, extracted, reason and seconds, in order; blank lines are left out.

    A verifier's score is added where there is one. All lines are read, as strictly as those of a task, before the first
    is judged, so that a malformed one (UserError with ``name`` and its number) loses no output; one whose gold answer
    cannot be judged is UNJUDGED. ``default`` is the kind of a line that names none. ``policy`` "published" adds
    ``policy`` and ``own_status`` to each line, and ``audit`` what math-verify says; ``tally`` counts. Without ``judge``
    one is made and closed here.
    """
    if judge is None:
        with Judge() as own:
            yield from verify_lines(lines, own, default, tally=tally, policy=policy, audit=audit, name=name)
        return
    if policy not in (None, PUBLISHED):
        raise UserError(f"policy {policy!r} is unknown: there is {PUBLISHED!r}")
    if judge.verifier is None:
        look_up(default, judge.kinds)
    tally = tally or Tally()
    tally.policy = policy
    read = [Line(n, row, read_row(row, f"{name}:{n}", judge, default)) for n, row in parse_lines(lines, name)]
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
