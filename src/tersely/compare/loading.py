"""Read run folders for a comparison: whole evaluations only, and the base at the root of every run."""

from __future__ import annotations

import shlex
from pathlib import Path

from tersely.errors import UserError, nearest
from tersely.evaluation.records import progress
from tersely.report.load import Run, base_of, read_run


def read_finished(path: Path) -> Run:
    """A run with all of its evaluations; an unknown folder, or a half-finished evaluation, is a UserError."""
    if not path.is_dir():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"there is no run folder {path}{nearest(path.name, beside)}")
    _refuse_half(path)
    run = read_run(path, variants=True)
    if not run.evaluations:
        raise UserError(f"{path} has no evaluation: run tersely evaluate {shlex.quote(str(path))} first")
    return run


def parent_of(run: Run) -> Run | None:
    """The run that ``run`` was trained from, if its folder can be found; its evaluations may be unfinished."""
    place = base_of(run)
    return None if place is None else read_run(place)


def root_of(run: Run, known: dict[Path, Run]) -> Run | None:
    """The base at the end of the chain of runs that ``run`` was trained from; what is read is kept in ``known``."""
    chain = [run.path.resolve()]
    found: Run | None = None
    place = base_of(run)
    while place is not None and place.resolve() not in chain:
        chain.append(place.resolve())
        found = known.get(chain[-1]) or read_finished(place)
        known[chain[-1]] = found
        place = base_of(found) if found.kind != "base" else None
    return found


def _refuse_half(path: Path) -> None:
    for log in sorted([*path.glob("evaluation/*/responses.jsonl"), *path.glob("*/responses.jsonl")]):
        folder = log.parent
        if (folder / "summary.json").is_file() or folder.name == "profile":
            continue
        raise UserError(
            f"the evaluation {folder} is half-finished ({progress(folder)}): run tersely evaluate on it again, it goes "
            "on where it stopped"
        )
