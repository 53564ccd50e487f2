"""Logs of one JSON object a line: how a record becomes a line, and how a log that a crash tore is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tersely.errors import RunError, StorageError, UserError, plainly
from tersely.records import Json, JsonObject
from tersely.runs.checks import LogEnd, check_of, sign, split_check
from tersely.runs.json_file import RESTORE, is_checked, read_record, read_regular
from tersely.runs.kinds import Log

DONE = "done.json"
DONE_IS = ("the summary of finished work", "remove it and run the same command again")
SEALED = "sealed.json"
"""Where each log of finished work ends; written before done.json, which must be the same however fast a machine was."""
DRAWN_AGAIN = frozenset({Log.RESPONSES, Log.GROUPS})
"""Logs of which only what is missing is made again."""
ENDED = "ended-"
"""How the names of logs begin that are only kept until the work is done (``tersely.runs.ended``)."""


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


def sign_lines(lines: Iterable[str], end: LogEnd) -> tuple[list[str], LogEnd]:
    """Lines with room for a check -> the same with their checks, for a log that ends at ``end``, and its new end."""
    signed = []
    for line in lines:
        text, check = sign(line, end.check)
        signed.append(text)
        end = LogEnd(end.lines + 1, check)
    return signed, end


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
    """The records of a JSONL log, without their checks; StorageError with the line number where it was damaged.

    A last line without its newline was torn by a crash: an error, or left out with ``allow_torn``. What finished work
    sealed must be there. Lines of earlier versions bear no check and are read as they are.
    """
    seal = _read_seal(path)  # before the log, which may be growing just now
    found, end = [], LogEnd()
    for body, end in checked_lines(path, _read_lines(path, allow_torn or seal is not None)):
        found.append(_parse_line(path, end.lines, body))
        if seal and end.lines == seal.lines and end.check != seal.check:
            raise _damaged(path, end.lines, f"not as it was when {DONE} was written")
    # Read again: work that is gone on with takes its end away before it cuts the log.
    if seal and end.lines < seal.lines and _read_seal(path) == seal:
        raise _damaged(path, end.lines + 1, f"missing: {seal.lines} lines were there when {DONE} was written")
    return found


def checked_lines(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[bytes, LogEnd]]:
    """Each line without its check, and the end of the log behind it; StorageError where the chain of checks breaks."""
    end, is_signed = LogEnd(), False
    for number, line in enumerate(lines, start=1):
        body, written = split_check(line)
        end = LogEnd(number, check_of(body, end.check))
        if written is None and (is_signed or (number == 1 and is_checked(path.parent))):
            _parse_line(path, number, line)
            raise _damaged(path, number, "has lost its check")
        if written is not None and written != end.check:
            raise _damaged(path, number, "its check does not fit: it was changed, or lines before it were")
        is_signed = written is not None
        yield body, end


def read_end(path: Path, *, allow_torn: bool = True) -> LogEnd:
    """Where a log ends, its torn last line apart; StorageError where it was damaged.

    Without ``allow_torn`` a last line without its newline is damage: no crash can have left it so.
    """
    lines = _read_lines(path, allow_torn=True) if path.exists() else []
    if not allow_torn and whole_bytes(path) < size_of(path):
        raise _damaged(path, len(lines) + 1, "has lost its end")
    ends = [end for _, end in checked_lines(path, lines)]
    return ends[-1] if ends else LogEnd()


def _read_lines(path: Path, allow_torn: bool) -> list[bytes]:
    try:
        lines = read_regular(path).split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}") from error
    if lines.pop() and not allow_torn:
        raise UserError(
            f"{path}, line {len(lines) + 1}: torn by a crash (no newline); run its command again to mend it"
        )
    return lines


def _read_seal(path: Path) -> LogEnd | None:
    """Where the log ended when its folder's work was finished; None where it is not, or by an earlier version."""
    sealed = path.with_name(SEALED)
    if not (sealed.is_file() and path.with_name(DONE).is_file()):
        return None
    return read_record(sealed, "the ends of the logs", lambda content: _seal_of(content, path.stem), DONE_IS[1])


def _seal_of(sealed: Json, log: str) -> LogEnd | None:
    return LogEnd.from_json(sealed[log]) if log in sealed else None


def _parse_line(path: Path, number: int, line: bytes) -> Json:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, number, f"not JSON ({plainly(error)}): {line[:80]!r}") from error
    if not isinstance(record, dict):
        raise _damaged(path, number, f"a JSON object is needed, found {line[:80]!r}")
    return record


def _damaged(path: Path, number: int, why: str) -> StorageError:
    if path.stem in DRAWN_AGAIN:
        cure = f"keep the lines before it (head -n {number - 1}), remove {DONE}, and run its command again"
    elif path.stem.startswith(ENDED):
        cure = "remove it, and what it holds is made again"
    else:
        cure = RESTORE
    return StorageError(f"{path}, line {number}: {why}; {cure}")
