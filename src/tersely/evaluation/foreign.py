"""Responses that people already have, a JSON object a line, judged and counted as evaluated responses. No torch.

A line is a row of a task (``tasks.sources.rows``: problem, answer, and perhaps kind, choices and difficulty) with its
``response``; ``tokens`` and ``finish`` where they are known. The lines of an evaluation's own ``responses.jsonl``
(``text`` in place of ``response``) are such lines too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import UserError, nearest
from tersely.evaluation.records import RESPONSES
from tersely.jsonl import NumberedRow, display_name, read_jsonl
from tersely.records import EvalRecord, Finish, LengthSource, Problem, Status, Verdict
from tersely.runs.identity import is_run_folder
from tersely.runs.logs import read_log
from tersely.tasks.sources.checks import raise_faults
from tersely.tasks.sources.rows import problem_from_row
from tersely.verify import Judge

Count = Callable[[str], int]
"""Tokens of a text."""

CHARACTERS_A_TOKEN = 4
"""Of the estimate: what English text has with the usual vocabularies, give or take a third."""

RESPONSE = ("response", "text")
FINISHES: Mapping[str, Finish] = {
    **{finish.value: finish for finish in Finish},
    "stop": Finish.EOS,
    "max_tokens": Finish.LENGTH,
    "end_turn": Finish.EOS,
}
"""What ``finish`` or ``finish_reason`` may say: our words and those of the common servers."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    problem: Problem
    response: str
    tokens: int | None
    finish: Finish


def read_answers(path: str | Path, judge: Judge, count: Count | None = None) -> list[EvalRecord]:
    """Every line judged, in order; responses to one problem are numbered as they come.

    Tokens are those of the line (LengthSource.USAGE), else what ``count`` says (RETOKENISED), else estimated from the
    characters (ESTIMATED). UserError for lines that cannot be used (with their numbers) and for gold answers that the
    judge refuses; nothing is judged before all are read.
    """
    lines = _read(path)
    _refuse_golds(lines, judge, display_name(path))
    finished = [i for i, (_, line) in enumerate(lines) if line.finish is Finish.EOS]
    found = judge.grade([(lines[i][1].problem, lines[i][1].response) for i in finished])
    verdicts = dict(zip(finished, found, strict=True))
    seen: Counter[str] = Counter()
    records = []
    for i, (_, line) in enumerate(lines):
        records.append(_record(line, seen[line.problem.id], verdicts.get(i), count))
        seen[line.problem.id] += 1
    return records


def _read(path: str | Path) -> list[tuple[int, Line]]:
    if Path(path).name == f"{RESPONSES}.jsonl" and is_run_folder(Path(path).parent):
        read_log(Path(path))  # one of ours: its checks must fit
    rows, lines, faults = _latest(read_jsonl(path)), [], []
    for number, row in rows:
        try:
            lines.append((number, _line(row)))
        except UserError as error:
            faults.append((f"line {number}", str(error)))
    needs = "each needs problem, answer and response"
    raise_faults(faults, f"{display_name(path)}: {{count}} of {len(rows)} lines cannot be used ({needs})")
    return lines


def _latest(rows: Sequence[NumberedRow]) -> list[NumberedRow]:
    """Without the lines of an evaluation whose response was judged again: the later one stands where the first did.

    Only what an outside cause left unjudged is ever judged again; the same problem and sample twice is otherwise what
    two models answered.
    """
    waiting: dict[tuple[str, str], int] = {}
    found: list[NumberedRow] = []
    for number, row in rows:
        key = repr(row.get("problem_id")), repr(row.get("sample"))
        place = waiting.pop(key, None)
        if row.get("outside") is True and "problem_id" in row:
            waiting[key] = len(found) if place is None else place
        if place is None:
            found.append((number, row))
        else:
            found[place] = number, row
    return found


def _line(row: Mapping[str, Any]) -> Line:
    problem = problem_from_row(row, "log", "held_out")
    return Line(problem, _response(row), _tokens(row), _finish(row))


def _response(row: Mapping[str, Any]) -> str:
    response = next((row[name] for name in RESPONSE if row.get(name) is not None), None)
    if not isinstance(response, str):
        raise UserError("'response' must be text" if response is not None else "no 'response' field")
    return response


def _tokens(row: Mapping[str, Any]) -> int | None:
    tokens = row.get("tokens")
    if tokens is not None and (type(tokens) is not int or tokens < 1):
        raise UserError(f"'tokens' is {tokens!r}: it must be a whole number of at least 1, or left out")
    return tokens


def _finish(row: Mapping[str, Any]) -> Finish:
    said = next((row[name] for name in ("finish", "finish_reason") if row.get(name) is not None), Finish.EOS.value)
    if str(said) not in FINISHES:
        known = ", ".join(FINISHES)
        raise UserError(
            f"unexpected finish_reason {said!r}{nearest(str(said), FINISHES)}: give one of {known}, or none"
        )
    return FINISHES[str(said)]


def _refuse_golds(lines: Sequence[tuple[int, Line]], judge: Judge, name: str) -> None:
    reasons = judge.check_golds((line.problem.gold, line.problem.kind) for _, line in lines)
    faults = [
        (f"line {number}", f"{line.problem.gold[:60]!r} ({reason})")
        for (number, line), reason in zip(lines, reasons, strict=True)
        if reason is not None
    ]
    raise_faults(faults, f"{name}: {{count}} of {len(lines)} gold answers cannot be read")


def _record(line: Line, sample: int, verdict: Verdict | None, count: Count | None) -> EvalRecord:
    tokens, source = _length(line, count)
    return EvalRecord(
        problem_id=line.problem.id,
        question=line.problem.question,
        answer=line.problem.gold,
        difficulty=line.problem.difficulty,
        sample=sample,
        status=Status.NO_ANSWER if verdict is None else verdict.status,
        correct=verdict is not None and verdict.status is Status.CORRECT,
        tokens=tokens,
        finish=line.finish,
        extracted=None if verdict is None else verdict.extracted,
        text=line.response,
        length_source=source,
    )


def _length(line: Line, count: Count | None) -> tuple[int, LengthSource]:
    if line.tokens is not None:
        return line.tokens, LengthSource.USAGE
    if count is not None:
        return max(1, count(line.response)), LengthSource.RETOKENISED
    return max(1, round(len(line.response) / CHARACTERS_A_TOKEN)), LengthSource.ESTIMATED
