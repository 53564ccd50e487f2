"""Reading what an evaluation left on disk. No torch: the report reads through here."""

from __future__ import annotations

import contextlib
import re
from dataclasses import MISSING, fields
from glob import escape as glob_escape
from pathlib import Path

from tersely.errors import UserError
from tersely.records import EvalRecord, Finish, Json, Status
from tersely.runs.json_file import read_json
from tersely.runs.logs import read_log

RESPONSES = "responses"
SUMMARY = "summary.json"
EXPECTED = "expected.json"
"""{"responses": how many the finished evaluation will hold}, written before the first."""

AGAIN = "remove it and done.json, and run its command again: finished responses are kept"
"""What to do about a damaged summary."""

_FIELDS = tuple(f.name for f in fields(EvalRecord) if f.default is MISSING)
_LATER = tuple(f.name for f in fields(EvalRecord) if f.default is not MISSING)
"""Fields that lines of older evaluations lack."""


def read_responses(folder: Path, *, allow_torn: bool = False) -> list[EvalRecord]:
    """The evaluated responses of an evaluation folder, in the order of their lines."""
    lines = read_log(folder / f"{RESPONSES}.jsonl", allow_torn=allow_torn)
    return [_record(folder, number, line) for number, line in enumerate(lines, start=1)]


def _record(folder: Path, number: int, line: Json) -> EvalRecord:
    try:
        values = {name: line[name] for name in _FIELDS}
        values |= {name: line[name] for name in _LATER if name in line}
        values["status"], values["finish"] = Status(values["status"]), Finish(values["finish"])
        return EvalRecord(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / RESPONSES}.jsonl, line {number}: not an evaluated response ({error}); evaluate again"
        ) from error


def read_evaluation(folder: Path) -> Json:
    """The summary of a finished evaluation; UserError that says how much is missing of a half-finished one,
    StorageError where it is damaged."""
    path = folder / SUMMARY
    if not path.is_file():
        raise UserError(
            f"the evaluation in {folder} is not finished ({progress(folder)}): "
            "run `tersely evaluate` on it again, it goes on where it stopped"
        )
    return read_json(path, "the summary of an evaluation", AGAIN)


def progress(folder: Path) -> str:
    """How far a half-finished evaluation is, as far as its folder tells."""
    done = len(read_responses(folder, allow_torn=True)) if (folder / f"{RESPONSES}.jsonl").is_file() else 0
    total = _expected(folder)
    return f"{done} responses so far" if total is None else f"{total - done} of {total} responses are missing"


def _expected(folder: Path) -> int | None:
    """Responses that there will be; folders of earlier versions tell only where the size was asked for."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(read_json(folder / EXPECTED, "what to expect")["responses"])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        config = read_json(folder / "config.json", "a configuration")["config"]
        return int(config["size"]) * int(config["k"])
    return None


def read_curve(run: Path, task: str) -> list[tuple[int, Json]]:
    """(step, summary) of each evaluated checkpoint of a run folder, earliest first: what ``--all-checkpoints`` left.

    ``task`` is the name without variants (``arithmetic``, ``paper.gsm8k``); summaries are ``read_evaluation``'s.
    UserError where there are none, and for one that is half-finished.
    """
    named = re.compile(rf"{re.escape(task)}@step-(\d{{6,}})")
    found = [(named.fullmatch(folder.name), folder) for folder in (run / "evaluation").glob(f"{glob_escape(task)}@*")]
    curve = sorted((int(match[1]), folder) for match, folder in found if match)
    if not curve:
        raise UserError(
            f"{run} has no evaluated checkpoints of {task}: run `tersely evaluate {run} --all-checkpoints` first"
        )
    return [(step, read_evaluation(folder)) for step, folder in curve]
