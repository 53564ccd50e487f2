"""A task's problems, from wherever it says: made here, the caller's own, the hub, or a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tersely.errors import UserError, nearest
from tersely.records import Problem
from tersely.tasks.prompts import Template, fill, find_template
from tersely.tasks.sources import CheckGolds, LeftOut, Reading, Split
from tersely.tasks.sources.checks import raise_faults, require_sound
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.tasks.sources.files import read_task_file
from tersely.tasks.sources.hub import NAMED, RAW, Named, load_named, parse_name
from tersely.tasks.sources.own import NAME, OwnTask, load_own

Task = str | Path | OwnTask
"""A task's name, a task file, or the problems themselves."""


def load_task(
    task: Task,
    split: Split,
    size: int | None = None,
    check_golds: CheckGolds | None = None,
    *,
    template: str = "question",
    verified: bool = False,
    left_out: LeftOut | None = None,
) -> list[Problem]:
    """Problems of a task. ``size`` None: all of a file or a named task, or the default size of an embedded one.

    ``task`` is the name of an embedded task (``EMBEDDED_TASKS``) or of one on the hub (``hub.NAMED``; one that is raw
    material, numina, is filtered and drawn as ``tersely prepare`` does by default), the path of a JSON Lines file, or
    a sequence of problems, of records or of rows as such a file holds them. ``template`` is the prompt template
    (``prompts``): the further columns that it fills in are part of each problem. ``verified`` says that a verifier
    decides: answers may be missing and are not looked at, and all further columns are part of each problem.
    Problems whose gold answers ``check_golds`` refuses are refused, or left out where ``left_out`` is told of them;
    what is published on the hub is otherwise taken as it is.

    Raises UserError for a file that is missing or wrong, an unknown name, a hub out of reach, fewer problems than
    asked for, a missing column, or different questions that the template makes the same prompt.
    """
    if size is not None and size < 1:
        raise UserError(f"size {size} is no number of problems; ask for at least 1")
    chosen = find_template(template)
    reading = Reading(chosen.columns, verified)
    problems = _load(task, split, size, None if verified else check_golds, reading, left_out)
    _refuse_swallowed(problems, chosen)
    return problems


def _load(
    task: Task,
    split: Split,
    size: int | None,
    check_golds: CheckGolds | None,
    reading: Reading,
    left_out: LeftOut | None,
) -> list[Problem]:
    if not isinstance(task, str | Path):
        return _first(NAME, load_own(task, split, check_golds, reading, left_out), size)
    name = str(task)
    if name in EMBEDDED_TASKS:
        return _with_columns(name, EMBEDDED_TASKS[name].load(split, size), reading)
    if (named := parse_name(name)) is not None:
        return _with_columns(name, _from_hub(named, split, size, check_golds, left_out), reading)
    _require_file(name)
    problems = read_task_file(name, check_golds=check_golds, split=split, reading=reading, left_out=left_out)
    return _first(name, problems, size)


def _from_hub(
    named: Named, split: Split, size: int | None, check_golds: CheckGolds | None, left_out: LeftOut | None
) -> list[Problem]:
    if named.name in RAW and split == "train":
        from tersely.tasks.prepare.run import load_raw

        return load_raw(named, size, check_golds)
    problems = load_named(named, split)
    if left_out is not None:
        placed = [(f"row {number}", problem) for number, problem in enumerate(problems, start=1)]
        problems = require_sound(placed, named.name, check_golds, left_out)
    return _first(named.name, problems, size)


def _with_columns(name: str, problems: list[Problem], reading: Reading) -> list[Problem]:
    """The problems, whose payload is the source's own affair; UserError where the template fills in something else."""
    try:
        for problem in problems:
            reading.payload(problem.payload)
    except UserError as error:
        raise UserError(f"task {name}: {error}") from error
    return problems


def _require_file(name: str) -> None:
    if not name.endswith(".jsonl") and not Path(name).exists():
        known = [*EMBEDDED_TASKS, *NAMED]
        raise UserError(
            f"unknown task {name!r}{nearest(name, known)}: give one of {', '.join(known)}, or the path of a JSONL "
            "file with problem and answer on each line"
        )


def _first(name: str, problems: list[Problem], size: int | None) -> list[Problem]:
    if size is not None and size > len(problems):
        raise UserError(f"{name} holds {len(problems)} problems, {size} were asked for: lower the size")
    return problems[:size]


def _refuse_swallowed(problems: Sequence[Problem], template: Template) -> None:
    """A template without the question may make one prompt of two questions: then nobody could tell them apart."""
    first: dict[str, Problem] = {}
    faults = []
    for problem in [] if template.asks else problems:
        twin = first.setdefault(fill(template, problem), problem)
        if problem.question != twin.question:
            faults.append((repr(problem.question[:60]), f"is asked in the same words as {twin.question[:60]!r}"))
    raise_faults(faults, "the template makes one prompt of different questions ({count} times); put {question} into it")


def task_digest(problems: Sequence[Problem]) -> str:
    """SHA-256 over the ids in order: the identity of a set of problems, further columns that are read included."""
    return hashlib.sha256("\n".join(p.id for p in problems).encode()).hexdigest()


def beginning(problems: Sequence[Problem], sha256: str) -> Sequence[Problem] | None:
    """The first of these problems that ``task_digest`` knows by ``sha256``; None where they begin otherwise."""
    digest = hashlib.sha256()
    for count, problem in enumerate(problems, start=1):
        digest.update(f"\n{problem.id}".encode() if count > 1 else problem.id.encode())
        if digest.copy().hexdigest() == sha256:
            return problems[:count]
    return None
