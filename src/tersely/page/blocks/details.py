"""More about every model: lengths of right and wrong responses, what was cut or not answered, pass@k."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.columns import MODEL, overall
from tersely.page.records import Comparison
from tersely.table import tabulate

COLUMNS = (
    MODEL,
    overall("tokens_correct", "Tokens when correct", "tokens"),
    overall("tokens_wrong", "Tokens when wrong", "tokens"),
    overall("truncated", "Truncated", "percent"),
    overall("no_answer", "No answer", "percent"),
    overall("unjudged", "Could not be judged", "percent"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    entries = comparison.view().entries
    passes = sorted({k for e in entries for r in e.results for k in r.evaluation.summary.overall.pass_at_k})
    columns = (*COLUMNS, *(overall(f"pass_at_{k}", f"pass@{k}", "percent", "pass_at_k", k) for k in passes))
    title = "More about every model"
    return Block("details", title, tables=(tabulate("details", title, columns, entries),))
