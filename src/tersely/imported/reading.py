"""Reading what somebody else wrote: bounded, and whatever is wrong with it is one sentence."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tersely.errors import UserError, plainly
from tersely.runs.json_file import MALFORMED, read_regular

MOST = 1 << 30
"""Bytes of a file, or of a part of one once it is unpacked, that are read at once."""
_DAMAGED = (*MALFORMED, zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError)


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """UserError for whatever a damaged file, or one of another form, raises; ``what`` is "a log of inspect-ai"."""
    try:
        yield
    except UserError:
        raise
    except (OSError, *_DAMAGED) as error:
        raise UserError(
            f"{path} cannot be read as {what} ({plainly(error)}): take another copy of it, or say what wrote it"
        ) from error


def read_bytes(path: Path) -> bytes:
    """The whole file. UserError for one of more than ``MOST`` bytes, OSError for what is no file."""
    if (size := path.stat().st_size) > MOST:
        raise UserError(f"{path} has {size} bytes, more than the {MOST} that are read at once: cut it into parts")
    return read_regular(path)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file. ValueError where it is none."""
    found = json.loads(read_bytes(path))
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found
