"""The table of objectives in docs/method.md: complete, and as the methods declare themselves."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tersely.objective import Need, Order
from tersely.objective.methods import METHODS

PAGE = Path(__file__).parents[2] / "docs" / "method.md"
ORDER = {Order.KEPT: "kept", Order.TIES: "tie", Order.BROKEN: "broken"}


def rows() -> dict[str, list[str]]:
    """Name -> the further cells."""
    table = PAGE.read_text(encoding="utf-8").split("| `objective.method` |")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {re.sub(r"`([^`]+)`.*", r"\1", row[0]): row[1:] for row in cells}


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    assert list(rows())[:-1] == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_the_row_says_what_the_method_declares(name: str) -> None:
    formula, _, order, all_wrong, state, when, source = rows()[name]
    promise = METHODS[name].promise
    assert promise is not None
    assert (order, all_wrong) == (ORDER[promise.order], promise.all_wrong)
    assert (state != "none") == (Need.STATE in METHODS[name].needs)
    assert formula
    assert when
    assert source


@pytest.mark.parametrize("name", METHODS)
def test_knobs_are_settings_with_the_defaults_that_the_row_names(name: str) -> None:
    known = {f.name: f.default for f in fields(METHODS[name])}  # type: ignore[arg-type]
    knobs = re.findall(r"(\w+) \(([^),]+)", rows()[name][1])
    assert knobs
    for knob, value in knobs:
        assert knob in known
        if name not in ("paper", "linear"):
            assert float(value) == known[knob]
