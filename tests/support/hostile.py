"""What can stand in the place of a file of ours in a folder that comes from somebody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

Hostile = Callable[[Path, Path], None]
"""Given the place, and a folder outside that must stay as it is."""


def _remove(place: Path) -> None:
    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink(missing_ok=True)


def to_outside(place: Path, outside: Path) -> None:
    """A link to a file, or a folder, of the same name that is somebody's own."""
    theirs = outside / place.name
    shutil.move(place, theirs)
    place.symlink_to(theirs)


def to_nothing(place: Path, outside: Path) -> None:
    _remove(place)
    place.symlink_to(outside / "new")


def to_a_neighbour(place: Path, outside: Path) -> None:
    _remove(place)
    (place.parent / "mine.txt").write_text("precious\n")
    place.symlink_to("mine.txt")


def is_pipe(place: Path, outside: Path) -> None:
    _remove(place)
    os.mkfifo(place)


def is_folder(place: Path, outside: Path) -> None:
    _remove(place)
    place.mkdir()
    (place / "mine.txt").write_text("precious\n")


PLACES: Mapping[str, Hostile] = {
    "a link to a file outside": to_outside,
    "a dangling link": to_nothing,
    "a link to a file beside it": to_a_neighbour,
    "a pipe": is_pipe,
    "a folder": is_folder,
}


def _text(content: bytes) -> Hostile:
    def build(place: Path, outside: Path) -> None:
        _remove(place)
        place.write_bytes(content)

    return build


CONTENTS: Mapping[str, Hostile] = {
    name: _text(content)
    for name, content in {
        "empty": b"",
        "no JSON": b"\x00\xff{",
        "a list": b"[1, 2]\n",
        "an empty object": b"{}\n",
        "a number beyond all": b'{"step": 1e999}\n',
        "a key twice": b'{"step": 1, "step": 2}\n',
        "deep brackets": b"[" * 100_000 + b"\n",
        "a deep object": b'{"a": ' * 50_000 + b"1" + b"}" * 50_000 + b"\n",
        "UTF-16": '{"step": 1}\n'.encode("utf-16"),
        "other types": b'{"kind": 1, "config": [], "logs": 2, "summary": "x", "problem_ids": {"a": 1}}\n',
        "control characters": b'{"step": "\x1b[2J\xe2\x80\xae"}\n',
    }.items()
}


def state_of(outside: Path) -> dict[str, bytes]:
    """All files in the folder outside, by name."""
    return {str(path): path.read_bytes() for path in sorted(outside.rglob("*")) if path.is_file()}
