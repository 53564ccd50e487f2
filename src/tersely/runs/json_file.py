"""JSON files of a run folder: read whole, or refused in one sentence that names the file.

They may be torn, changed by hand or come from somebody else; none of that may end in a traceback.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from tersely.errors import StorageError, plainly
from tersely.records import Json
from tersely.runs.checks import CHANGED, CHECK, CHECKED, check_of, split_check

T = TypeVar("T")

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading a value of another form than we wrote may raise."""

RESTORE = "restore the file from a copy, or name another folder"
"""What to do about a damaged file that nothing makes again."""


def open_regular(path: Path) -> BinaryIO:
    """A regular file, to be read; an OSError for anything else, such as a pipe that would be waited for."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no regular file")
    return file


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file; an OSError for anything else."""
    with open_regular(path) as file:
        return file.read()


def is_checked(folder: Path) -> bool:
    """Whether config.json of a run folder says that its files bear checks."""
    try:
        content = json.loads(read_regular(folder / "config.json"))
        return isinstance(content, dict) and content.get(CHECKED) is True and "kind" in content
    except (OSError, ValueError, RecursionError):
        return False


def unchecked_words(folder: Path) -> str:
    """What is said of a folder for which ``is_checked`` is false."""
    return f"{folder} was made by an earlier version: its files bear no checks, so damage in them would not be seen"


def fault(path: Path, text: bytes) -> str | None:
    """Why the content of a JSON file is not what was written, or None; files without a check pass where they may."""
    body, written = split_check(text)
    if written is None:
        return "it has lost its check" if is_checked(path.parent) else None
    return None if check_of(body) == written else CHANGED


def read_json(path: Path, what: str, cure: str = RESTORE) -> Json:
    """The JSON object in ``path`` without its check; ``what`` is how messages call it ("the sample of the base").

    StorageError in one sentence (file, why, ``cure``) where the file cannot be read, is not JSON, holds no object or
    is not as it was written. A missing file is one that cannot be read: ask ``path.is_file()`` first where it may be
    missing.
    """
    try:
        text = read_regular(path)
    except OSError as error:
        raise _damaged(path, what, (error.strerror or "unknown reason").lower(), cure) from error
    content = parse_object(text, lambda why: _damaged(path, what, why, cure))
    if why := fault(path, text):
        raise _damaged(path, what, why, cure)
    return {key: value for key, value in content.items() if key != CHECK}


def read_record(path: Path, what: str, parse: Callable[[Json], T], cure: str = RESTORE) -> T:
    """What ``parse`` (a record's ``from_json``) makes of the object in ``path``.

    StorageError as ``read_json``, and where ``parse`` finds a field missing or of another type.
    """
    content = read_json(path, what, cure)
    try:
        return parse(content)
    except MALFORMED as error:
        raise _damaged(path, what, plainly(error), cure) from error


def parse_object(raw: bytes, damaged: Callable[[str], Exception]) -> Json:
    """The JSON object in ``raw``; raises what ``damaged`` makes of the reason where there is none."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise damaged(f"not JSON ({plainly(error)})") from error
    if not isinstance(content, dict):
        raise damaged("no JSON object")
    return content


def _damaged(path: Path, what: str, why: str, cure: str) -> StorageError:
    return StorageError(f"{path} cannot be read as {what}: {why}; {cure}")
