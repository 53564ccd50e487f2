"""Putting a page that was made elsewhere in its place under docs/, where other things may lie too."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path


def replace_page(page: Path, place: Path, own: Collection[str]) -> None:
    """Put what ``page`` holds of the names ``own`` into ``place`` instead of what is there under them.

    Everything else in ``place`` stays. A name that ``page`` no longer has leaves ``place`` too. Nothing is touched
    where ``page`` is not there.
    """
    if not page.is_dir():
        raise SystemExit(f"there is no page at {page} to put into {place}")
    place.mkdir(parents=True, exist_ok=True)
    for name in sorted(own):
        source, target = page / name, place / name
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copy2(source, target)
