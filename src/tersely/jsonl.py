"""What people write, one JSON object a line: problems, answers to judge, lengths to score.

Read strictly and forgivingly at once: any line end, blank lines and a byte order mark are fine, and every complaint
names the file and the line.
"""

from __future__ import annotations

import difflib
import json
import math
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from tersely.errors import UserError

Row = dict[str, Any]
NumberedRow = tuple[int, Row]
"""(line number from 1, the object on that line)."""

STDIN = "-"
SIMILAR = 0.75
"""Of names of files without their endings, which they share anyway."""
_BOM = b"\xef\xbb\xbf"
_FOREIGN_MAGIC = {
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
    b"\x1f\x8b": "is gzip-compressed; unpack it first",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"PAR1": "is a Parquet file; convert it to JSON Lines",
    b"%PDF": "is a PDF; JSON Lines wanted, one object {...} a line",
}


def read_jsonl(path: str | Path) -> list[NumberedRow]:
    """All objects of a JSON Lines file (``-`` is standard input) with their line numbers.

    All lines are read before any is used, so that a bad one is found before anything is written. Only ``\\n`` and
    ``\\r\\n`` end a line (a JSON string may hold U+2028 and the like); blank lines are skipped and keep their number.
    Raises UserError: file missing, a folder or unreadable; empty; not UTF-8 (with the byte offset); NUL bytes; a line
    that is not one JSON object (with file and line).
    """
    return list(parse_lines(read_lines(path), display_name(path)))


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file (``-`` is standard input) as ``read_jsonl`` cuts them, with its refusals."""
    lines = list(_text_lines(_read_bytes(path), display_name(path)))
    if not any(map(str.strip, lines)):
        raise UserError(f"{display_name(path)} is empty; it needs one JSON object a line")
    return lines


def display_name(path: str | Path) -> str:
    """How messages call the file."""
    return "standard input" if str(path) == STDIN else str(path)


def parse_lines(lines: Iterable[str], name: str) -> Iterator[NumberedRow]:
    """The object on each line that is not blank, with its number; ``name`` opens the message of a UserError."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _parse_object(line, f"{name}:{number}")


def _read_bytes(path: str | Path) -> bytes:
    if str(path) == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"no file {path}{_neighbour(Path(path))}") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder; name the .jsonl file in it") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path itself
        raise UserError(f"cannot read {str(path)!r}: {error}") from error


def _neighbour(path: Path) -> str:
    """ " (did you mean ...?)" for a file of a similar name in the same folder."""
    try:
        stems = {entry.stem: entry.name for entry in path.parent.iterdir()}
        close = difflib.get_close_matches(path.stem, stems, n=1, cutoff=SIMILAR)
        return f" (did you mean {stems[close[0]]!r}?)" if close else ""
    except OSError:
        return f" (nor a folder {path.parent})"


def _text_lines(data: bytes, name: str) -> Iterator[str]:
    for magic, what in _FOREIGN_MAGIC.items():
        if data.startswith(magic):
            raise UserError(f"{name} {what}")
    offset = len(_BOM) if data.startswith(_BOM) else 0
    for number, raw in enumerate(data[offset:].split(b"\n"), start=1):
        if b"\x00" in raw:
            raise UserError(f"{name}:{number}: NUL byte at offset {offset + raw.index(0)}; the file is binary or torn")
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            at = offset + error.start
            raise UserError(
                f"{name}:{number}: not UTF-8 (byte 0x{data[at]:02x} at offset {at}); save it as UTF-8"
            ) from error
        offset += len(raw) + 1


def _parse_object(line: str, where: str) -> Row:
    try:
        value = json.loads(
            line, object_pairs_hook=_distinct_keys, parse_float=_finite_float, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        if not line.lstrip().startswith("{"):
            raise UserError(
                f"{where}: not valid JSON; JSON Lines wanted, one object {{...}} a line{_conversion(where)}"
            ) from error
        what = error.msg.removesuffix(" at")
        raise UserError(f"{where}: not valid JSON ({what} at column {error.colno})") from error
    except ValueError as error:  # a repeated key, NaN, a number of more digits than Python converts
        raise UserError(f"{where}: not valid JSON ({error})") from error
    except RecursionError as error:
        raise UserError(f"{where}: JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise UserError(f"{where}: a line must be one JSON object {{...}}, not {_json_type(value)}")
    return value


def _conversion(where: str) -> str:
    """How the file of a line becomes JSON Lines, where it is a table."""
    name = where.rpartition(":")[0]
    if not name.endswith((".csv", ".tsv")):
        return ", and this is none"
    tabs = ', delimiter="\\t"' if name.endswith(".tsv") else ""
    program = f"import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin{tabs})]"
    return (
        f": python -c '{program}' < {shlex.quote(name)} > {shlex.quote(f'{name[:-4]}.jsonl')} makes them of this table"
    )


def _distinct_keys(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return row


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is beyond what a 64-bit number holds")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _json_type(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
