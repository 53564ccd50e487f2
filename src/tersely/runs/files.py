"""Many files of one thing, written beneath a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tersely.errors import StorageError
from tersely.runs import disk
from tersely.runs.places import require_no_links


def write_folder(out: Path, files: Mapping[Path, bytes], what: str) -> None:
    """Write all files beneath ``out``; a link in there is a UserError, a refused write a StorageError that says that
    ``what`` is not whole."""
    for path in files:
        require_no_links(out / path, below=out)
    try:
        for folder in sorted({(out / path).parent for path in files}):
            disk.make_dir(folder)
        for path, content in files.items():
            disk.replace_file(out / path, content)
    except StorageError as error:
        raise StorageError(f"{what} is not whole: {error}") from error
