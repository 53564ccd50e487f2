"""Evaluations side by side on the terminal; the first is the base of the paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tersely.analysis.noise import NoiseFloor
from tersely.analysis.paired import compare_paired
from tersely.analysis.records import SummaryBlock
from tersely.errors import UserError
from tersely.evaluation.records import read_evaluation
from tersely.evaluation.versus import read_noise, suite_aggregate
from tersely.records import Estimate, EvalRecord
from tersely.terminal import make_console

_COLUMNS = ("accuracy %", "tokens", "truncated %", "accuracy difference", "tokens saved %")


def print_table(evaluations: Sequence[tuple[str, Path]], title: str = "", console: Console | None = None) -> None:
    """Accuracy and tokens with 95 % intervals clustered by problem; differences are paired by problem.

    The first line has no differences; there stands how far two measurements of the first model itself lie apart.
    """
    heading = "95 % intervals, clustered by problem; differences paired with the first line"
    table = _table(f"{title}: {heading}" if title else heading, "model", *_COLUMNS)
    base = read_evaluation(evaluations[0][1])
    base_records = base.responses()
    noise = read_noise(evaluations[0][1])
    remarks: list[str] = []
    for i, (name, folder) in enumerate(evaluations):
        found = read_evaluation(folder)
        remarks += _unjudged(name, found.summary.overall)
        remarks += [f"{name}: {said}" for said in found.sentences()]
        overall = found.summary.overall
        row = [name, cell(overall.accuracy, 100), cell(overall.tokens), cell(overall.truncated, 100)]
        if i == 0:
            table.add_row(*row, *_noise_cells(noise))
            continue
        versus = compare_paired(base_records, found.responses(), base.protocol, found.protocol).overall
        table.add_row(*row, cell(versus.accuracy_difference, 100, sign=True), cell(versus.token_saving, 100))
    console = console or make_console(140)
    console.print(table)
    for sentence in [*remarks, *_remarks(base_records, noise)]:
        console.print(sentence)


def print_suite(models: Sequence[tuple[str, Mapping[str, Path]]], console: Console | None = None) -> None:
    """A table a set, then the ratios to the first model: set by set, their mean over the sets, and AES."""
    console = console or make_console(140)
    base_name, base = models[0]
    for name in base:
        print_table([(label, folders[name]) for label, folders in models], name, console)
    if len(models) < 2:
        return
    table = _table(
        f"ratios to {base_name}, mean over the sets; AES = share saved + 3 x gain or - 5 x loss of accuracy (relative)",
        *("model", "set", "accuracy ratio", "token ratio", "AES"),
    )
    for label, folders in models[1:]:
        try:
            found = suite_aggregate(base, folders)
        except UserError as error:  # what was measured stays worth showing where a ratio cannot be formed
            console.print(f"{label}: {error}")
            continue
        rows = [(one.name, one.accuracy, one.tokens, one.aes) for one in found.sets]
        for name, *values in [*rows, ("all sets", found.accuracy, found.tokens, found.aes)]:
            table.add_row(label, name, *(cell(value, digits=3) for value in values))
        table.add_section()
    if table.row_count:
        console.print(table)


def cell(estimate: Estimate | None, scale: float = 1.0, sign: bool = False, digits: int = 1) -> str:
    """``81.2 [78.0, 84.1]``; a dash where nothing was measured, "no interval" where none can be had."""
    if estimate is None:
        return "-"
    form = f"{{:{'+' if sign else ''}.{digits}f}}"
    value = form.format(estimate.value * scale)
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} [{form.format(estimate.low * scale)}, {form.format(estimate.high * scale)}]"


def _noise_cells(noise: NoiseFloor | None) -> list[str]:
    reaches = (None, None) if noise is None else (noise.accuracy_reach, noise.saving_reach)
    return ["" if reach is None else f"noise ±{100 * reach:.1f}" for reach in reaches]


def _unjudged(name: str, overall: SummaryBlock) -> list[str]:
    """That an accuracy is not of all responses: said beside the number, whenever it is shown."""
    lost, of = overall.unjudged_responses, overall.responses
    return [f"{name}: {lost} of {of} responses could not be judged and enter no accuracy"] if lost else []


def _remarks(records: Sequence[EvalRecord], noise: NoiseFloor | None) -> list[str]:
    found = []
    if len({r.problem_id for r in records}) < 2:
        found.append("one problem: no interval can be had")
    if noise is not None and noise.accuracy_reach is not None:
        found.append(
            f"noise: 95 % of the differences between two measurements of the first model itself are smaller "
            f"({noise.source})"
        )
    return found


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table
