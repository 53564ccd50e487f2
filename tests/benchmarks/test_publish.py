"""benchmarks/publish.py: a page made anew replaces itself and nothing beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from publish import replace_page

from tersely.page.render import OWN


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("text", sorted(name for name in OWN if name.endswith(".md")))
def test_only_the_names_of_the_page_are_replaced(tmp_path: Path, text: str) -> None:
    page, place = tmp_path / "page", tmp_path / "results"
    write(page, {"index.html": "new", "figures/a.svg": "new", "more": "not of the page"})
    kept = {"reading.md": "kept", "comparison/index.html": "kept", "comparison/figures/a.svg": "kept"}
    write(place, {**kept, "index.html": "old", text: "old", "figures/a.svg": "old", "figures/gone.svg": "old"})
    replace_page(page, place, OWN)
    assert content(place) == {**kept, "index.html": "new", "figures/a.svg": "new"}


def test_files_alone_can_be_named(tmp_path: Path) -> None:
    write(tmp_path / "page", {"tables/a": "new", "tables/b": "not shown"})
    replace_page(tmp_path / "page", tmp_path / "results", ("tables/a",))
    assert content(tmp_path / "results") == {"tables/a": "new"}


def test_a_place_that_is_not_there_is_made(tmp_path: Path) -> None:
    write(tmp_path / "page", {"tables/a": "new"})
    replace_page(tmp_path / "page", tmp_path / "docs" / "results", {"tables"})
    assert content(tmp_path / "docs" / "results") == {"tables/a": "new"}


def test_without_a_page_nothing_is_touched(tmp_path: Path) -> None:
    write(tmp_path / "results", {"index": "old"})
    with pytest.raises(SystemExit, match="there is no page"):
        replace_page(tmp_path / "page", tmp_path / "results", {"index"})
    assert content(tmp_path / "results") == {"index": "old"}
