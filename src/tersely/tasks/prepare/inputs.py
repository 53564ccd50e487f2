"""What ``tersely prepare`` reads: the raw problems, and the evaluation problems to keep out of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tersely.errors import UserError, nearest, require_known
from tersely.records import JsonObject, Problem
from tersely.tasks.prepare.dedup import words
from tersely.tasks.sources import Split
from tersely.tasks.sources.files import read_problems
from tersely.tasks.sources.hub import NAMED, HubOrigin, Named, parse_name, read_hub

EXCLUDED = ("math500", "aime2024", "gsm8k")
"""Evaluation sets that are kept out where the user names none; the task's own held-out split comes on top."""


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A file that problems came from."""

    file: str
    sha256: str
    rows: int

    def to_json(self) -> JsonObject:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Input:
    """One file or one named task, read."""

    name: str
    problems: list[Problem]
    origin: FileOrigin | HubOrigin
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, reason) -> rows of the hub that gave no problem."""


def read_input(text: str, split: Split, revision: str | None = None) -> Input:
    """A named task's split or a JSONL file. UserError: neither; a file with faulty lines; the hub out of reach."""
    if (named := parse_name(text)) is not None:
        if revision is not None:
            named = Named(named.name, named.subsets, revision)
        got = read_hub(named, split)
        return Input(text, got.problems, got.origin, got.skipped)
    path = Path(text)
    if path.suffix != ".jsonl" and not path.exists():
        raise UserError(
            f"unknown task {text!r}{nearest(text, NAMED)}: give one of {', '.join(NAMED)} or a JSONL file with "
            "problem and answer on each line"
        )
    problems = read_problems(path, split=split)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Input(text, problems, FileOrigin(text, digest, len(problems)))


def read_training(name: str, data: Sequence[str], revision: str | None) -> list[Input]:
    """The raw problems: of ``data`` if given, else of the task ``name`` itself."""
    named = parse_name(name)
    if not data:
        return [read_input(name, "train", revision)]
    if named is None and not name.endswith(".jsonl") and not Path(name).exists():
        require_known("task", name, NAMED)
    if ":" in name or revision is not None:
        raise UserError("subsets and --revision choose among the hub's rows: leave them out where --data is given")
    return [read_input(text, "train") for text in ([name] if named is None else []) + list(data)]


def read_evaluation(name: str, exclude: Sequence[str] | None, revision: str | None) -> list[Input]:
    """The evaluation sets to keep out: those named, or the usual ones. ``["none"]`` is none at all."""
    if exclude is not None:
        return [] if list(exclude) == ["none"] else [read_input(text, "held_out") for text in exclude]
    named = parse_name(name)
    own = [named.name] if named and "held_out" in named.task.splits and named.name not in EXCLUDED else []
    inputs = [read_input(text, "held_out") for text in EXCLUDED]
    return inputs + [read_input(text, "held_out", revision or (named.revision if named else None)) for text in own]


def refuse_evaluation_sets(training: Sequence[Input], evaluation: Sequence[Input]) -> None:
    """UserError for a training input of which every single problem is an evaluation problem."""
    for given in training:
        asked = {words(problem.question) for problem in given.problems}
        for other in evaluation:
            if asked and asked <= {words(problem.question) for problem in other.problems}:
                raise UserError(
                    f"{given.name} is itself an evaluation set: all of its {len(given.problems)} problems are in "
                    f"{other.name}; give data to train on"
                )
