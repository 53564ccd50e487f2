"""What disks, copies and people do to a file, seeded: one accident at a time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

Accident = Callable[[bytes, random.Random], bytes]


def flip_bit(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def change_digit(content: bytes, rng: random.Random) -> bytes:
    digits = [found.start() for found in re.finditer(rb"\d", content)]
    if not digits:
        return content
    place = rng.choice(digits)
    other = rng.choice([digit for digit in b"0123456789" if digit != content[place]])
    return content[:place] + bytes([other]) + content[place + 1 :]


def _stretch(content: bytes, rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(len(content))
    return first, first + rng.randint(1, max(1, min(4096, len(content) - first)))


def lose_stretch(content: bytes, rng: random.Random) -> bytes:
    first, last = _stretch(content, rng)
    return content[:first] + content[last:]


def zero_block(content: bytes, rng: random.Random) -> bytes:
    first, last = _stretch(content, rng)
    return content[:first] + bytes(last - first) + content[last:]


def lose_end(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def lose_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def repeat_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    return b"".join([*lines[:place], lines[place], *lines[place:]])


def swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


ACCIDENTS: Mapping[str, Accident] = {
    "bit flipped": flip_bit,
    "digit changed": change_digit,
    "stretch lost": lose_stretch,
    "block zeroed": zero_block,
    "end lost": lose_end,
    "line lost": lose_line,
    "line repeated": repeat_line,
    "lines swapped": swap_lines,
}


def damage(path: Path, name: str, rng: random.Random) -> bool:
    """One accident to a file; False where it changed nothing, as to an empty one."""
    content = path.read_bytes()
    damaged = ACCIDENTS[name](content, rng) if content else content
    path.write_bytes(damaged)
    return damaged != content
