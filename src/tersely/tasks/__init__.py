"""Where problems come from: the embedded arithmetic task, tasks of the hub by name, or any JSONL file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from tersely.errors import UserError, nearest
from tersely.records import Problem

EMBEDDED = "arithmetic"
EMBEDDED_TRAIN_SIZE = 3200
EMBEDDED_TRAIN_SEED = 1
EMBEDDED_HELD_OUT_SEED = 97_112_358
"""Fixed: everybody's held-out numbers are of the same problems. The task was tuned on those of another seed."""

CheckGolds = Callable[[Sequence[tuple[str, str]]], list[str | None]]
"""Why each gold answer cannot be used, or None (``Judge.check_golds``)."""


def load_task(
    name: str, split: Literal["train", "held_out"], size: int | None, check_golds: CheckGolds | None = None
) -> list[Problem]:
    """Problems of a task. ``size`` None: all of a file or a named task, or the default size of the embedded task.

    A named task (``tasks.named``) comes from the hub; one that is raw material (numina) is filtered and drawn as
    ``tersely prepare`` does by default. Raises UserError for a file that is missing or wrong, an unknown name, a hub
    out of reach, or fewer problems than asked for.
    """
    if name == EMBEDDED:
        from tersely.tasks.sources.arithmetic import arithmetic_problems

        seed = EMBEDDED_TRAIN_SEED if split == "train" else EMBEDDED_HELD_OUT_SEED
        return arithmetic_problems(split, size or (EMBEDDED_TRAIN_SIZE if split == "train" else 600), seed)
    from tersely.tasks.sources.hub import NAMED, RAW, load_named, parse_name

    if (named := parse_name(name)) is not None:
        if named.name in RAW and split == "train":
            from tersely.tasks.prepare.select import load_raw

            return load_raw(named, size, check_golds)
        return _first(name, load_named(named, split), size)
    if not name.endswith(".jsonl") and not Path(name).exists():
        known = [EMBEDDED, *NAMED]
        raise UserError(
            f"unknown task {name!r}{nearest(name, known)}: give one of {', '.join(known)}, or the path of a JSONL "
            "file with problem and answer on each line"
        )
    from tersely.tasks.sources.files import load_problems

    return _first(name, load_problems(Path(name), check_golds=check_golds, split=split), size)


def _first(name: str, problems: list[Problem], size: int | None) -> list[Problem]:
    if size is not None and size > len(problems):
        raise UserError(f"{name} holds {len(problems)} problems, {size} were asked for: lower the size")
    return problems[:size]


def task_digest(problems: Sequence[Problem]) -> str:
    """SHA-256 over the ids in order: the identity of a set of problems."""
    return hashlib.sha256("\n".join(p.id for p in problems).encode()).hexdigest()
