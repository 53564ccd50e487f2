"""A block is one file and one line: here both in one."""

from __future__ import annotations

from pathlib import Path

import pytest

import fake_runs
from pages import blank_figures
from tersely.page.block import Block, Options, each_set
from tersely.page.blocks import BLOCKS, COMPARE, REPORT
from tersely.page.collect import collect
from tersely.page.records import Comparison
from tersely.page.render import write_page
from tersely.table import Column, Table


def toy(comparison: Comparison, options: Options) -> Block | None:
    rows = tuple((entry.label, len(entry.label)) for entry in comparison.view().entries)
    table = Table(
        "letters", "Letters of a name", (Column("model", "Model"), Column("letters", "Letters", "whole")), rows
    )
    return Block("letters", "Letters", ("Longer names are no better.",), tables=(table,))


@pytest.mark.slow
def test_a_block_is_added_by_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tersely.page.render.BLOCKS", {**BLOCKS, "letters": each_set(toy)})
    blank_figures(monkeypatch)
    _, runs = fake_runs.make_family(tmp_path, alphas=(0.2,), steps=2)
    page = write_page(collect(runs), ("frontier", "overview", "letters"), tmp_path / "out", Options(), "report.md")
    assert "Longer names are no better." in page.read_text(encoding="utf-8")
    assert "base,4" in (tmp_path / "out" / "tables" / "letters_arithmetic.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("selection", [REPORT, COMPARE])
def test_a_selection_names_blocks_that_there_are_each_once(selection: tuple[str, ...]) -> None:
    assert set(selection) <= set(BLOCKS)
    assert len(set(selection)) == len(selection)
