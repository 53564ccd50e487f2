"""Set pages, render figures, write folders: what the report and the comparison share."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from tersely.errors import StorageError, UserError
from tersely.report.text import markdown_block, markdown_cell, marked
from tersely.runs import disk, places
from tersely.terminal import visible

_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Nothing that differs between two runs of the same command."""


def render_figure(figure: Figure, endings: Sequence[str]) -> dict[str, bytes]:
    """The figure as files: ending ("svg", "png", "pdf") -> bytes, the same at every call."""
    # The layout is the slow part and the same for all: settle it once.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    files = {}
    for ending in endings:
        out = io.BytesIO()
        figure.savefig(out, format=ending, dpi=160, metadata=_METADATA[ending])
        files[ending] = out.getvalue()
    return files


def write_folder(out: Path, files: Mapping[Path, bytes], what: str) -> None:
    """Write all files beneath ``out``; a link in there is a UserError, a refused write a StorageError."""
    for path in files:
        places.require_no_links(out / path, below=out)
    try:
        for folder in sorted({(out / path).parent for path in files}):
            disk.make_dir(folder)
        for path, content in files.items():
            disk.replace_file(out / path, content)
    except StorageError as error:
        raise StorageError(f"the {what} is not whole: {error}") from error


def merged_versions(found: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Versions of all evaluations; where they differ, all of them."""
    merged: dict[str, dict[str, None]] = {}
    for versions in found:
        for name, version in versions.items():
            merged.setdefault(str(name), {})[str(version)] = None
    return {visible(name): visible(", ".join(values)) for name, values in sorted(merged.items())}


def environment(autoescape: bool) -> jinja2.Environment:
    """The templates of ``tersely.report``; every value is escaped in HTML, and a missing one is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("tersely.report"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(cell=markdown_cell, block=markdown_block, marked=marked, visible=visible)
    return made


def require_own(out: Path, own: Collection[str], what: str) -> None:
    """A page replaces only a page of its own kind."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give a folder for the {what}")
    strange = sorted({path.name for path in out.iterdir()} - set(own)) if out.is_dir() else []
    if strange:
        raise UserError(f"{out} holds {strange[0]!r}, which is no part of a {what}: give an empty or new folder")
