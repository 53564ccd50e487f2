"""The check at the end of every line of a log and of every small JSON file: damage is seen when they are read.

A line is ``{..., "check": "0f3a9c21d4"}``: ten digits of a SHA-256 over its other bytes and the check of the line
before, so that a line that was changed, moved, repeated or lost breaks the chain. A file is checked the same, by
itself. ``sealed.json`` holds the count and the last check of every log: the seal of finished work.

What earlier versions wrote bears no check and is read as it is. A folder made with checks says so in its config.json
(``"checked": true``), so that no damage can pass for one of theirs. A check finds accidents, not forgery.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from tersely.records import Json, JsonObject

CHECK = "check"
CHECKED = "checked"
"""In config.json of a run folder: every file of it bears its check."""

CHANGED = "its check does not fit, so it was changed after it was written"

_DIGITS = 10
_BLANK = "0" * _DIGITS
_FIELD = f'"{CHECK}": "'.encode()
_LAST_FIELD = re.compile(rb'"check": "([0-9a-f]{10})"(\s*\}\s*)')
_LONGEST = 64
"""Bytes from the beginning of the last field to the end, at most."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """How far a log goes: what the check of its next line builds on.

    Example: ``LogEnd(600, "0f3a9c21d4")``
    """

    lines: int = 0
    check: str = ""
    """Of the last line, written there or not."""

    def to_json(self) -> JsonObject:
        return {"lines": self.lines, CHECK: self.check}

    @classmethod
    def from_json(cls, content: Json) -> LogEnd:
        return cls(int(content["lines"]), str(content[CHECK]))


def split_check(text: bytes) -> tuple[bytes, str | None]:
    """A JSON object's bytes without its check, and the check; None where it has none."""
    place = text.rfind(_FIELD, max(0, len(text) - _LONGEST))
    found = _LAST_FIELD.fullmatch(text, place) if place >= 0 else None
    if found is None:
        return text, None
    rest = text[:place].rstrip(b" \n").removesuffix(b",")
    return rest + found[2], found[1].decode()


def check_of(text: bytes, before: str = "") -> str:
    """The check of a JSON object without one, ``before`` being that of the line before."""
    return hashlib.sha256(before.encode() + b"\n" + text).hexdigest()[:_DIGITS]


def with_room(content: JsonObject) -> JsonObject:
    """``content`` with room for its check as the last field; ValueError where the name is taken."""
    if CHECK in content:
        raise ValueError(f"the field {CHECK!r} is the file's own: give yours another name")
    return {**content, CHECK: _BLANK}


def sign(text: str, before: str = "") -> tuple[str, str]:
    """JSON text made of an object ``with_room`` -> the same with its check filled in, and the check."""
    body, _ = split_check(text.encode())
    check = check_of(body, before)
    head, _, tail = text.rpartition(_BLANK)
    return head + check + tail, check
