"""A table: data once, shown as HTML, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace

from tersely.page.records import SeedMean
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


MODEL = Column("model", "Model")
TOKENS, ACCURACY = Column("tokens", "Tokens", "tokens"), Column("accuracy", "Accuracy", "percent")
SAVING = Column("token_saving", "Saved against base", "percent")
CHANGE = Column("accuracy_difference", "Accuracy against base, points", "change")


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
        estimates = [any(isinstance(row[i], Estimate) for row in self.rows) for i in range(len(self.columns))]
        header: list[str] = []
        for column, wide in zip(self.columns, estimates, strict=True):
            header += [column.key + end for end in ("", "_low", "_high", "_n")] if wide else [column.key]
        writer.writerow(header)
        for row in self.rows:
            writer.writerow([value for cell, wide in zip(row, estimates, strict=True) for value in _flat(cell, wide)])
        return out.getvalue()

    def to_markdown(self) -> str:
        head = "| " + " | ".join(markdown_cell(column.title) for column in self.columns) + " |"
        rule = "|" + "|".join("---" if column.kind == "text" else "---:" for column in self.columns) + "|"
        body = ["| " + " | ".join(map(markdown_cell, row)) + " |" for row in self.shown()]
        return "\n".join([head, rule, *body])


def show(cell: Cell, kind: str, interval: bool = True) -> str:
    """A value as people read it: "57.3 % [55.0, 59.6]"; few seeds "57.3 % (56.9, 57.1, 57.9)"; a dash for none."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return visible(cell)
    if not isinstance(cell, Estimate):
        return _number(float(cell), kind) + _unit(kind)
    text = _number(cell.value, kind) + _unit(kind)
    if not interval:
        return text
    if cell.low is not None and cell.high is not None:
        return f"{text} [{_number(cell.low, kind)}, {_number(cell.high, kind)}]"
    seeds = cell.seeds if isinstance(cell, SeedMean) else ()
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


def _number(value: float, kind: str) -> str:
    if kind == "percent":
        return _minus(f"{value * 100:.1f}")
    if kind in ("points", "change", "relative"):
        shown = _minus(f"{value * 100:+.1f}")
        return f"±{shown}" if shown == "0.0" else shown
    if kind == "reach":
        return f"±{abs(value) * 100:.1f}"
    if kind == "whole":
        return f"{value:,.0f}"
    if kind == "ratio":
        return _minus(f"{value:.3f}")
    if kind == "small":
        return _minus(f"{value:.4g}")
    return _minus(f"{value:.2f}" if kind == "count" else f"{value:,.1f}")


def _minus(text: str) -> str:
    """A real minus sign, and no negative zero."""
    return (text.lstrip("+-") if float(text.replace(",", "")) == 0 else text).replace("-", "\u2212")


def _unit(kind: str) -> str:
    return {"percent": "\u00a0%", "relative": "\u00a0%", "points": "\u00a0points", "seconds": "\u00a0s"}.get(kind, "")
