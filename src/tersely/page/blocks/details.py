"""More about every model: lengths of right and wrong responses, what was cut or not answered, pass@k."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.records import Comparison
from tersely.page.table import MODEL, Column, Table

COLUMNS = (
    Column("tokens_correct", "Tokens when correct", "tokens"),
    Column("tokens_wrong", "Tokens when wrong", "tokens"),
    Column("truncated", "Truncated", "percent"),
    Column("no_answer", "No answer", "percent"),
    Column("unjudged", "Could not be judged", "percent"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    entries = comparison.view().entries
    passes = sorted({k for e in entries for r in e.results for k in r.evaluation.summary.overall.pass_at_k})
    columns = (MODEL, *COLUMNS, *(Column(f"pass_at_{k}", f"pass@{k}", "percent") for k in passes))
    rows = tuple(
        (e.label, *(e.overall(column.key) for column in COLUMNS), *(e.overall("pass_at_k", k) for k in passes))
        for e in entries
    )
    title = "More about every model"
    return Block("details", title, tables=(Table("details", title, columns, rows),))
