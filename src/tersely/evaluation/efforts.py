"""What the knobs of a server give: each way of asking as a point in tokens, seconds and money, the dominated ones
named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tersely.analysis.served import ANSWERS, QUANTITIES, Price, beaten, mean_of
from tersely.errors import UserError
from tersely.evaluation.records import read_evaluation
from tersely.evaluation.table import cell
from tersely.records import Estimate
from tersely.terminal import make_console

PRICED = f"price of {ANSWERS}"


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
    axes = dict(QUANTITIES)
    if price is not None:
        axes[PRICED] = price.of
    values = {axis: [mean_of(records, quantity) for _, _, records in points] for axis, quantity in axes.items()}
    console = console or make_console(140)
    table = Table(title="as asked: means a response, 95 % intervals clustered by problem", title_justify="left")
    for i, title in enumerate(("request", "accuracy %", *axes)):
        table.add_column(title, justify="right" if i else "left")
    for i, (name, accuracy, _) in enumerate(points):
        table.add_row(name, cell(accuracy, 100), *(_shown(values[axis][i]) for axis in axes))
    console.print(table)
    for axis in ("tokens", "seconds", PRICED):
        if axis in axes:
            console.print(beaten(axis, [(n, a, v) for (n, a, _), v in zip(points, values[axis], strict=True)]))


def _shown(estimate: Estimate | None) -> str:
    """Small numbers with more digits."""
    return cell(estimate, digits=1 if estimate is None or estimate.value >= 10 else 3)
