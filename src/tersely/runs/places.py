"""What stands where something of ours is to be written: a folder may come from anybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tersely.errors import UserError

UNLINK = "remove the link, or name another folder"


def open_plain(path: str | Path, flags: int) -> int:
    """``opener`` of every file opened for writing: an OSError (ELOOP) where ``path`` is a symbolic link.

    Hard links are not looked for: copying or unpacking somebody's folder makes none to a file outside of it.
    """
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def require_no_links(path: Path, below: Path) -> None:
    """UserError that names the first symbolic link on the way from ``below``, which may be one, to ``path``."""
    for part in reversed([path, *path.parents]):
        if part != below and part.is_relative_to(below) and part.is_symlink():
            raise UserError(f"{part} is a symbolic link, and nothing is written through one: {UNLINK}")


def require_free(path: Path) -> None:
    """UserError where ``path`` or what it lies in is no folder and cannot become one: a file, a link to nothing."""
    for part in (path, *path.parents):
        try:
            kind = part.stat().st_mode
        except OSError:
            if part.is_symlink():
                raise UserError(f"{part} is a symbolic link to nothing: {UNLINK}") from None
            continue  # not there; any other reason the call itself will say
        if not stat.S_ISDIR(kind):
            raise UserError(f"{part} is a file, not a folder: name another folder")
        return
