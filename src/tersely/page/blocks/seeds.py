"""Every seed by itself; its interval is the one over problems."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.records import Comparison
from tersely.page.table import ACCURACY, CHANGE, MODEL, SAVING, TOKENS, Cell, Column, Table


def block(comparison: Comparison, options: Options) -> Block | None:
    entries = [e for e in comparison.view().entries if len(e.results) > 1]
    rows: list[tuple[Cell, ...]] = []
    for entry in entries:
        for result in entry.results:
            found, paired = result.evaluation.summary.overall, result.versus and result.versus.overall
            saving, change = (paired.token_saving, paired.accuracy_difference) if paired else (None, None)
            rows.append((entry.label, result.run.name, result.seed, found.tokens, saving, found.accuracy, change))
    columns = (MODEL, Column("run", "Run"), Column("seed", "Seed"), TOKENS, SAVING, ACCURACY, CHANGE)
    title = "Every run by itself"
    return Block("seeds", title, tables=(Table("seeds", title, columns, tuple(rows)),)) if rows else None
