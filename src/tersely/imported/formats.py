"""The logs that can be read: a line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tersely.errors import UserError, nearest
from tersely.imported import inspect_log, lighteval_log, lm_eval_log
from tersely.imported.reading import reading
from tersely.imported.record import ForeignLog
from tersely.runs.json_file import open_regular

HEAD = 4096
"""Bytes of a file that tell what wrote it."""


@dataclass(frozen=True, slots=True)
class Format:
    """What somebody's evaluator writes."""

    files: str
    """In words, where it is to be found."""
    knows: Callable[[bytes], bool]
    """Whether a file that begins so is one of these."""
    read: Callable[[Path], ForeignLog]
    """Any error is said of the file by ``read_log``."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "inspect-ai": Format("a .eval or .json file of its log folder", inspect_log.knows, inspect_log.read),
        "lm-eval": Format("samples_TASK_DATE.jsonl of --log_samples", lm_eval_log.knows, lm_eval_log.read),
        "lighteval": Format("details_TASK_DATE.parquet of --save-details", lighteval_log.knows, lighteval_log.read),
    }
)


def read_log(path: Path) -> ForeignLog:
    """One log, of whichever format it is. UserError for any other file, for a damaged one, and for an evaluation that
    did not end."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the logs in it")
    if not path.exists():
        raise UserError(f"there is no file {path}{nearest(path.name, _beside(path))}")
    with reading(path, "a log"), open_regular(path) as file:
        head = file.read(HEAD)
    for name, known in FORMATS.items():
        if known.knows(head):
            with reading(path, f"a log of {name}"):
                return known.read(path)
    listed = "; ".join(f"{name}, {known.files}" for name, known in FORMATS.items())
    raise UserError(f"{path} is no log that is known here: give one of {listed}")


def _beside(path: Path) -> list[str]:
    return [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
