"""JSON files of a run folder: read whole, or refused in one sentence that names the file.

They may be torn, changed by hand or come from somebody else; none of that may end in a traceback.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tersely.errors import StorageError
from tersely.records import Json
from tersely.runs.checks import CHECK, fault

T = TypeVar("T")

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading a value of another form than we wrote may raise."""

RESTORE = "restore the file from a copy, or name another folder"
"""What to do about a damaged file that nothing makes again."""


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
    except KeyError as error:
        raise _damaged(path, what, f"the field {error} is missing", cure) from error
    except MALFORMED as error:
        raise _damaged(path, what, f"a field has another form ({error})", cure) from error


def read_regular(path: Path) -> bytes:
    """The bytes of a file. OSError for anything else, at once: a pipe would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
        return file.read()


def parse_object(raw: bytes, damaged: Callable[[str], Exception]) -> Json:
    """The JSON object in ``raw``; raises what ``damaged`` makes of the reason where there is none."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise damaged(f"not JSON ({error})") from error
    if not isinstance(content, dict):
        raise damaged("no JSON object")
    return content


def _damaged(path: Path, what: str, why: str, cure: str) -> StorageError:
    return StorageError(f"{path} cannot be read as {what}: {why}; {cure}")
