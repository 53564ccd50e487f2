"""JSON files of a run folder: read whole, or refused in one sentence that names the file.

They may be torn, changed by hand or come from somebody else; none of that may end in a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tersely.errors import StorageError
from tersely.records import Json
from tersely.runs.checks import CHECK, fault

T = TypeVar("T")

RESTORE = "restore the file from a copy, or name another folder"
"""What to do about a damaged file that nothing makes again."""


def read_json(path: Path, what: str, cure: str = RESTORE) -> Json:
    """The JSON object in ``path`` without its check; ``what`` is how messages call it ("the sample of the base").

    StorageError in one sentence (file, why, ``cure``) where the file cannot be read, is not JSON, holds no object or
    is not as it was written. A missing file is one that cannot be read: ask ``path.is_file()`` first where it may be
    missing.
    """
    try:
        text = path.read_bytes()
        content = json.loads(text)
    except OSError as error:
        raise _damaged(path, what, (error.strerror or "unknown reason").lower(), cure) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, what, f"not JSON ({error})", cure) from error
    if not isinstance(content, dict):
        raise _damaged(path, what, "no JSON object", cure)
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
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(path, what, f"a field has another form ({error})", cure) from error


def _damaged(path: Path, what: str, why: str, cure: str) -> StorageError:
    return StorageError(f"{path} cannot be read as {what}: {why}; {cure}")
