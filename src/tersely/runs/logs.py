"""Logs of one JSON object a line: how a record becomes a line, and how a log that a crash tore is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tersely.errors import RunError, UserError
from tersely.records import Json, JsonObject


def json_line(name: str, record: JsonObject) -> str:
    """One line of JSON, keys in the order given; text that UTF-8 cannot hold (lone surrogates) is escaped."""
    try:
        line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        where = next(iter(_not_finite(record)), "?")
        raise RunError(f"cannot log to {name}: {where} is not a finite number") from error
    try:
        line.encode()
    except UnicodeEncodeError:
        return json.dumps(record, ensure_ascii=True, allow_nan=False)
    return line


def _not_finite(value: Any, key: str = "") -> list[str]:
    """Dotted keys of NaN and infinite numbers inside ``value``."""
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in _not_finite(part, f"{key}.{name}".strip("."))]
    if isinstance(value, (list, tuple)):
        return [found for i, part in enumerate(value) for found in _not_finite(part, f"{key}[{i}]")]
    return [key] if isinstance(value, float) and value - value != 0 else []


def size_of(path: Path) -> int:
    """Length of a log in bytes; 0 if it is not there yet."""
    return path.stat().st_size if path.exists() else 0


def whole_bytes(path: Path) -> int:
    """Bytes of ``path`` up to its last newline, read backwards in blocks."""
    end = size_of(path)
    if not end:
        return 0
    with path.open("rb") as file:
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def read_log(path: Path, *, allow_torn: bool = False) -> list[Json]:
    """The records of a JSONL log; UserError with the line number for a damaged line.

    A last line without its newline was torn by a crash: an error, or left out with ``allow_torn``.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}") from error
    if lines.pop() and not allow_torn:
        raise UserError(
            f"{path}, line {len(lines) + 1}: torn by a crash (no newline); run its command again to mend it"
        )
    return [_parse_line(path, number, line) for number, line in enumerate(lines, start=1)]


def _parse_line(path: Path, number: int, line: bytes) -> Json:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {number}: not JSON ({error}): {line[:80]!r}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}, line {number}: a JSON object is needed, found {line[:80]!r}")
    return record
