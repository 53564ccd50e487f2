"""All data sets in one plane: the unweighted mean of the ratios to the base, as the paper aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tersely.page.block import Block, Options
from tersely.page.blocks.frontier import plane_block
from tersely.page.blocks.overview import pick
from tersely.page.records import Comparison, Role
from tersely.page.standings import Standing, aggregate_plane, apart
from tersely.page.table import MODEL, Column, Table


def block(comparison: Comparison, options: Options) -> Block | None:
    hidden = (Role.ABLATION,) if apart(comparison, options.with_ablations) else ()
    main = [standing for standing in options.found if standing.role not in hidden]
    count = len(comparison.datasets)
    if not main or count < 2:
        return None
    made = plane_block(aggregate_plane(main, count), options.looks)
    head = replace(table(main, count), picked=pick(comparison, main, options))
    return replace(made, tables=(head, *made.tables))


def table(found: Sequence[Standing], count: int) -> Table:
    rows = tuple((s.label, s.accuracy, s.tokens, s.aes, str(s.role)) for s in found)
    columns = (
        MODEL,
        Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
        Column("token_ratio", "Tokens, ratio to the base", "ratio"),
        Column("aes", "AES", "ratio"),
        Column("role", "What it is"),
    )
    title = f"Mean of the ratios over {count} data sets" if count > 1 else "Ratios to the base"
    return Table("aggregate", title, columns, rows)
