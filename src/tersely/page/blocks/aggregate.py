"""All data sets in one plane: the unweighted mean of the ratios to the base, as the paper aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tersely.page.block import Block, Options
from tersely.page.blocks.frontier import plane_block
from tersely.page.blocks.overview import pick
from tersely.page.columns import MODEL
from tersely.page.figure import Looks
from tersely.page.records import Comparison
from tersely.page.standings import Plane, Standing, aggregate_plane, hidden
from tersely.table import Column, Table, tabulate

COLUMNS = (
    MODEL,
    Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio", lambda standing: standing.accuracy),
    Column("token_ratio", "Tokens, ratio to the base", "ratio", lambda standing: standing.tokens),
    Column("aes", "AES", "ratio"),
    Column("role", "What it is"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    main = [s for s in options.found if s.role not in hidden(comparison, options.with_ablations)]
    count = len(comparison.datasets)
    if not main or count < 2:
        return None
    return aggregate_block(aggregate_plane(main, count), main, count, pick(comparison, main, options), options.looks)


def aggregate_block(
    plane: Plane, main: Sequence[Standing], count: int, picked: tuple[int, ...] | None, looks: Looks
) -> Block:
    made = plane_block(plane, looks)
    return replace(made, tables=(replace(aggregate_table(main, count), picked=picked), *made.tables))


def aggregate_table(found: Sequence[Standing], count: int) -> Table:
    title = f"Mean of the ratios over {count} data sets" if count > 1 else "Ratios to the base"
    return tabulate("aggregate", title, COLUMNS, found)
