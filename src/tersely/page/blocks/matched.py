"""Who is ahead within the same training budget."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.page.block import Block, Options
from tersely.page.cost import Matched, matched
from tersely.page.records import Comparison, Role
from tersely.page.standings import RULE, best_of
from tersely.page.table import Column, Table, show

NOTHING = "Fewer than two trained methods recorded what they cost, so nothing can be matched on a budget."


def block(comparison: Comparison, options: Options) -> Block | None:
    if not any(c.role is Role.BASELINE for c in comparison.contenders):
        return None
    found = matched(comparison, options.found)
    words = (*sentences(found), RULE) if found else (NOTHING,)
    return Block("matched", "Within the same training budget", words, tables=(_table(found),) if found else ())


def sentences(found: Sequence[Matched]) -> list[str]:
    said = []
    for axis in dict.fromkeys(m.axis for m in found):
        rows = [m for m in found if m.axis == axis]
        best = best_of([m.best for m in rows])
        parts = "; ".join(
            f"{m.method}: {m.best.label} spends {show(m.best.tokens.value, 'percent')} of the base's tokens and keeps "
            f"{show(m.best.accuracy.value, 'percent')} of its accuracy"
            for m in rows
        )
        winner = next(m.method for m in rows if m.best is best)
        said.append(f"Within {rows[0].budget:,.0f} {axis} ({winner} stands first): {parts}.")
    return said


def _table(found: Sequence[Matched]) -> Table:
    rows = tuple((m.axis, m.budget, m.method, m.best.label, m.spent, m.best.accuracy, m.best.tokens) for m in found)
    columns = (
        Column("axis", "Matched on"),
        Column("budget", "Budget", "whole"),
        Column("method", "Method"),
        Column("best", "Its best within the budget"),
        Column("spent", "Spent", "whole"),
        Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
        Column("token_ratio", "Tokens, ratio to the base", "ratio"),
    )
    return Table("matched", "Within the same budget", columns, rows)
