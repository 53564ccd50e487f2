"""Ratios, times of day and numbers in a base."""

from __future__ import annotations

import re
from collections.abc import Callable

from tersely.verify.grammar import units
from tersely.verify.grammar.brackets import split
from tersely.verify.grammar.scalars import Form, Shape, split_unit

_BASED = re.compile(
    r"(?:\\text\{|\()?(-?[0-9A-Za-z]+(?:\.\d+)?)[)}]?\s*_\s*(?:\{\s*(?:\\text\{)?\s*([0-9a-z]+)\s*\}?\s*\}|(\d))"
)
_BASE_WORDS = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}


_HALF_DAY = re.compile(r"\s*(?:\\text\{\s*)?([AaPp])\.?\s?[Mm]\.?\s*\}?$")


_TO = re.compile(r"^(\d+(?:\.\d+)?)\s*(?:\\text\{\s*to\s*\}|\bto\b)\s*(\d+(?:\.\d+)?)$")
"""``3 \\text{ to } 1``."""


def ratio(text: str, read: Callable[[str], Form]) -> Form | None:
    if " to" in text or "{to" in text:
        text = _TO.sub(r"\1:\2", text)
    if ":" not in text:
        return None
    hour = _HALF_DAY.search(text)
    bare, unit = (text[: hour.start()], hour[1].lower() + "m") if hour else split_unit(text)
    pieces, found = split(bare, ":")
    if not found or not all(pieces):
        return None
    read_unit = units.read(unit)
    items = tuple(read(piece) for piece in pieces)
    clock = "clock" if re.search(r":\s*0\d", bare) else ""  # "7:05" is not "7:5"
    return Form(Shape.RATIO, items=items, label=clock, unit=read_unit[1] if read_unit else unit)


_TEXT_ALNUM = re.compile(r"\\text\{\s*([0-9A-Za-z]+)\s*\}")


def based(text: str) -> Form | None:
    if "_" not in text:
        return None
    match = _BASED.fullmatch(_TEXT_ALNUM.sub(r"\1", text))
    if match is None:
        return None
    base = match[2] or match[3]
    hexadecimal = base == "16" and re.fullmatch("[A-Fa-f]{2,}", match[1])
    if not (hexadecimal or any(c.isdecimal() for c in match[1])):
        return None
    return Form(Shape.BASED, label=f"{match[1].upper().lstrip('0') or '0'}_{_BASE_WORDS.get(base, base)}")
