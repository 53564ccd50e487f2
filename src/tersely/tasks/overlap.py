"""Train and held-out problems never overlap: a run keeps the ids it trained on, and an evaluation looks there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tersely.errors import UserError
from tersely.records import Json, Problem
from tersely.runs import disk
from tersely.runs.json_file import read_record

TRAINED_ON = "trained_on.json"
"""In a training run's folder: {"problem_ids": [...]}, the content ids of its problems."""


def keep_trained_on(run: Path, ids: Iterable[str]) -> None:
    """What an evaluation looks at, lest it measure memory."""
    disk.write_json_atomic(run / TRAINED_ON, {"problem_ids": sorted(ids)})


def refuse_trained_on(model: Path, problems: Sequence[Problem], allow: bool) -> None:
    """UserError that counts the problems which the run folder ``model`` was trained on, unless that is allowed.

    StorageError where the folder's list of them is damaged: what cannot be looked up must not pass for disjoint.
    """
    path = model / TRAINED_ON
    if allow or not path.is_file():
        return
    trained = read_record(path, "the problems that a run was trained on", _problem_ids)
    if shared := sum(problem.id in trained for problem in problems):
        raise UserError(
            f"{model} was trained on {shared} of these {len(problems)} problems: evaluate it on others, or add "
            "--allow-overlap if memory is what you want to measure"
        )


def refuse_shared(train: str, trained: Sequence[Problem], held_out: str, asked: Sequence[Problem]) -> None:
    """UserError that counts the problems which would be both trained on and held out."""
    ids = {problem.id for problem in trained}
    if shared := sum(problem.id in ids for problem in asked):
        raise UserError(
            f"{shared} of the {len(asked)} problems of {held_out} are among the {len(trained)} of {train} to be "
            "trained on, so they are not held out: evaluate on others, --held-out FILE"
        )


def _problem_ids(content: Json) -> frozenset[str]:
    ids = content["problem_ids"]
    if not isinstance(ids, list):
        raise TypeError("problem_ids is no list")
    return frozenset(ids)
