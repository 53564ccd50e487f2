"""Problems from a JSON Lines file of anyone's: checked whole before one is used (``rows`` says what a line is)."""

from __future__ import annotations

from pathlib import Path

from tersely.errors import UserError
from tersely.jsonl import STDIN, display_name, read_jsonl
from tersely.records import Problem
from tersely.tasks.sources import ORDINARY, CheckGolds, LeftOut, Reading
from tersely.tasks.sources.checks import Fault, Placed, raise_faults, require_sound
from tersely.tasks.sources.rows import problem_from_row


def read_task_file(
    path: str | Path,
    *,
    check_golds: CheckGolds | None = None,
    split: str = "train",
    reading: Reading = ORDINARY,
    left_out: LeftOut | None = None,
) -> list[Problem]:
    """All problems of a JSON Lines file in its order; ``-`` is standard input.

    Problems without a kind are MATH, or CHOICE where they have ``choices``, which are appended to the question as
    lines ``(A) text``. ``source`` defaults to the file's name. Raises UserError with line numbers for lines that are
    malformed, for missing or empty fields, for the same problem twice, for one question with two answers, and for
    gold answers that ``check_golds`` refuses; nothing is loaded in part, unless ``left_out`` is told of the last.
    """
    return require_sound(_each_line(path, split, reading), display_name(path), check_golds, left_out)


def read_problems(path: str | Path, *, split: str = "train") -> list[Problem]:
    """As ``read_task_file``, but duplicates stay and gold answers are not looked at: raw material to be filtered."""
    return [problem for _, problem in _each_line(path, split, ORDINARY)]


def _each_line(path: str | Path, split: str, reading: Reading) -> list[Placed]:
    """Make a problem of every row, collecting what is wrong with all of them before complaining."""
    source = "stdin" if str(path) == STDIN else Path(path).stem
    rows = read_jsonl(path)
    problems: list[Placed] = []
    faults: list[Fault] = []
    for number, row in rows:
        try:
            problems.append((f"line {number}", problem_from_row(row, source, split, reading)))
        except UserError as error:
            faults.append((f"line {number}", str(error)))
    needs = "a problem" if reading.verified else "problem and answer"
    raise_faults(
        faults,
        f"{display_name(path)}: {{count}} of {len(rows)} lines cannot be used as problems (each needs {needs})",
    )
    return problems
