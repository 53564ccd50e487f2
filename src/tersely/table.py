"""A table: data once, declared column by column, shown as HTML, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from tersely.analysis.seeds import SeedMean
from tersely.records import Estimate
from tersely.terminal import visible
from tersely.text import markdown_cell

Cell = str | int | float | Estimate | None


@dataclass(frozen=True, slots=True)
class Column:
    """``kind`` says how a value is shown: text, whole, tokens, count, percent, points (with the unit), change
    (points without it), relative (a signed percentage), reach (points either way), ratio, seconds or small."""

    key: str
    title: str
    kind: str = "text"
    get: Callable[[Any], Cell] | None = None
    """The cell of what a row is about; None: its attribute ``key``."""

    def of(self, row: Any) -> Cell:
        found: Cell = getattr(row, self.key) if self.get is None else self.get(row)
        return found


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values (shares in [0, 1], tokens, counts); only showing them rounds."""

    name: str
    """File name under tables/, without ending."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    picked: tuple[int, ...] | None = None
    """Places of the rows that the page shows; the CSV file holds all."""

    @property
    def note(self) -> str:
        shown = "" if self.picked is None else f"{len(self.picked)} of {len(self.rows)} rows; all of them "
        return f"{shown or 'In full precision '}in tables/{self.name}.csv."

    def named(self, ending: str, words: str = "") -> Table:
        """The same of one data set."""
        return replace(self, name=f"{self.name}_{ending}", title=f"{self.title}{words}")

    def shown(self) -> list[list[str]]:
        rows = self.rows if self.picked is None else [self.rows[place] for place in self.picked]
        return [[show(cell, column.kind) for cell, column in zip(row, self.columns, strict=True)] for row in rows]

    def to_csv(self) -> str:
        """Full precision, an estimate as four columns; text that a spreadsheet would run as a formula is disarmed."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        wide = [any(isinstance(row[i], Estimate) for row in self.rows) for i in range(len(self.columns))]
        ends = [("", "_low", "_high", "_n") if four else ("",) for four in wide]
        writer.writerow([column.key + end for column, mine in zip(self.columns, ends, strict=True) for end in mine])
        for row in self.rows:
            writer.writerow([value for cell, four in zip(row, wide, strict=True) for value in _flat(cell, four)])
        return out.getvalue()

    def to_markdown(self) -> str:
        head = "| " + " | ".join(markdown_cell(column.title) for column in self.columns) + " |"
        rule = "|" + "|".join("---" if column.kind == "text" else "---:" for column in self.columns) + "|"
        body = ["| " + " | ".join(map(markdown_cell, row)) + " |" for row in self.shown()]
        return "\n".join([head, rule, *body])


def tabulate(
    name: str, title: str, columns: Iterable[Column], things: Iterable[Any], picked: tuple[int, ...] | None = None
) -> Table:
    """A row for each thing, a cell for each column; a tuple is a row already."""
    declared = tuple(columns)
    rows = (one if isinstance(one, tuple) else tuple(column.of(one) for column in declared) for one in things)
    return Table(name, title, declared, tuple(rows), picked)


def show(cell: Cell, kind: str, interval: bool = True) -> str:
    """A value as people read it: "57.3 % [55.0, 59.6]"; few seeds "57.3 % (56.9, 57.1, 57.9)"; a dash for none."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return visible(cell)
    estimate = cell if isinstance(cell, Estimate) else Estimate(float(cell), None, None, 0, "")
    text = _number(estimate.value, kind) + UNITS.get(kind, "")
    if not interval:
        return text
    if estimate.low is not None and estimate.high is not None:
        return f"{text} [{_number(estimate.low, kind)}, {_number(estimate.high, kind)}]"
    seeds = estimate.seeds if isinstance(estimate, SeedMean) else ()
    return f"{text} ({', '.join(_number(value, kind) for value in seeds)})" if seeds else text


def _flat(cell: Cell, wide: bool) -> list[str | int | float | None]:
    if isinstance(cell, Estimate):
        return [cell.value, cell.low, cell.high, cell.n]
    value = _disarmed(cell) if isinstance(cell, str) else cell
    return [value, None, None, None] if wide else [value]


def _disarmed(text: str) -> str:
    """Spreadsheets run cells that begin with one of these; an apostrophe before them makes them text."""
    clean = visible(text)
    return "'" + clean if clean.lstrip()[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r", "\n") else clean


UNITS = {"percent": "\u00a0%", "relative": "\u00a0%", "points": "\u00a0points", "seconds": "\u00a0s"}
FORMATS = {"percent": ".1f", "points": "+.1f", "change": "+.1f", "relative": "+.1f", "reach": ".1f", "whole": ",.0f",
           "ratio": ".3f", "small": ".4g", "count": ".2f"}  # fmt: skip
SHARES = ("percent", "points", "change", "relative", "reach")
"""Kinds that are shares, shown times 100."""


def _number(value: float, kind: str) -> str:
    """With a real minus sign, and no negative zero."""
    shown = format(value * 100 if kind in SHARES else value, FORMATS.get(kind, ",.1f"))
    if kind == "reach":
        return f"±{shown.lstrip('-')}"
    nothing = float(shown.replace(",", "")) == 0
    signed = "±" if FORMATS.get(kind, "").startswith("+") else ""
    return signed + shown.lstrip("+-") if nothing else shown.replace("-", "\u2212")
