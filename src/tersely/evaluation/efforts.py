"""What the knobs of a server give: each way of asking as a point in tokens, seconds and money, the dominated ones
named."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tersely.analysis.clusters import clusters_of
from tersely.analysis.frontier import Point, dominance
from tersely.analysis.intervals import clustered_mean
from tersely.errors import UserError
from tersely.evaluation.records import read_evaluation
from tersely.evaluation.table import cell
from tersely.records import Estimate, EvalRecord
from tersely.terminal import make_console

MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens. Example: ``Price(0.15, 0.6)``"""

    read: float
    """Of the prompt."""
    written: float

    def of(self, record: EvalRecord) -> float | None:
        """Of one response; None where the tokens of its prompt are not known."""
        if record.served is None or record.served.prompt_tokens is None:
            return None
        return (record.served.prompt_tokens * self.read + record.tokens * self.written) / MILLION


def parse_price(given: str) -> Price:
    """``IN,OUT``; UserError for anything else."""
    try:
        read, written = (float(part) for part in given.split(","))
    except ValueError:
        read = written = math.nan
    if not (0 <= read < math.inf and 0 < written < math.inf):
        raise UserError(f"--price {given!r} is no price: give those of a million tokens in and out, such as 0.15,0.6")
    return Price(read, written)


def print_efforts(named: Sequence[tuple[str, Path]], price: Price | None, console: Console | None = None) -> None:
    """Every point with 95 % intervals clustered by problem, and which are beaten on both axes; nothing for one point
    alone, unless there is a price."""
    if len(named) < 2 and price is None:
        return
    read = [(name, read_evaluation(folder)) for name, folder in named]
    points = [(name, found.summary.overall.accuracy, found.responses()) for name, found in read]
    axes: dict[str, Callable[[EvalRecord], float | None]] = {
        "tokens": lambda r: r.tokens,
        "seconds": lambda r: None if r.served is None else r.served.seconds,
        "first token, s": lambda r: None if r.served is None else r.served.first_token_s,
        "thinking tokens": lambda r: r.thinking_tokens,
    }
    if price is not None:
        axes["price of 1000"] = lambda r: None if (cost := price.of(r)) is None else 1000 * cost
    values = {axis: [_mean(records, value) for _, _, records in points] for axis, value in axes.items()}
    console = console or make_console(140)
    table = Table(title="as asked: means a response, 95 % intervals clustered by problem", title_justify="left")
    for i, title in enumerate(("request", "accuracy %", *axes)):
        table.add_column(title, justify="right" if i else "left")
    for i, (name, accuracy, _) in enumerate(points):
        table.add_row(name, cell(accuracy, 100), *(_shown(values[axis][i]) for axis in axes))
    console.print(table)
    for axis in ("tokens", "seconds", "price of 1000"):
        if axis in axes:
            console.print(_beaten(axis, [(n, a, v) for (n, a, _), v in zip(points, values[axis], strict=True)]))


def _mean(records: Sequence[EvalRecord], value: Callable[[EvalRecord], float | None]) -> Estimate | None:
    """None where it is not known of every response: a mean of some would be another quantity."""
    if any(value(record) is None for record in records):
        return None
    return clustered_mean(clusters_of(records, lambda record: value(record) or 0.0))


def _shown(estimate: Estimate | None) -> str:
    """Small numbers with more digits."""
    return cell(estimate, digits=1 if estimate is None or estimate.value >= 10 else 3)


def _beaten(axis: str, points: Sequence[tuple[str, Estimate | None, Estimate | None]]) -> str:
    """Which points are worse on both axes, beyond their intervals or by value."""
    known = [Point(name, spent, right) for name, right, spent in points if right is not None and spent is not None]
    if len(known) < 2:
        return f"dominated in {axis}: not known"
    found = dominance(known)
    clear = [f"{one.name} (by {', '.join(one.clearly_by[:2])})" for one in found if one.clearly_by]
    likely = [f"{one.name} (by {', '.join(one.by[:2])})" for one in found if one.by and not one.clearly_by]
    said = f"dominated in {axis}, beyond the intervals: {'; '.join(clear) or 'none'}"
    return f"{said}; by value alone: {'; '.join(likely)}" if likely else said
