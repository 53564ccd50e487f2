"""All data sets in one plane: the unweighted mean of the ratios to the base, as the paper aggregates."""

from __future__ import annotations

from dataclasses import replace

from tersely.page.block import MODEL, RATIOS, Block, Options
from tersely.page.blocks import frontier, overview
from tersely.page.records import Comparison
from tersely.page.standings import aggregate_plane, hidden
from tersely.table import Column, tabulate

COLUMNS = (MODEL, *RATIOS, Column("aes", "AES", "ratio"), Column("role", "What it is"))


def block(comparison: Comparison, options: Options, picked: tuple[int, ...] | None = None) -> Block | None:
    """``picked``: places of the rows that stand on the first screen, where others than usual."""
    count = len(comparison.datasets)
    main = [s for s in options.found if s.role not in hidden(comparison, options.with_ablations)]
    if not main or count < 2:
        return None
    made = frontier.plane_block(aggregate_plane(main, count), options.looks)
    picked = picked or overview.pick(comparison, main, options)
    table = tabulate("aggregate", f"Mean of the ratios over {count} data sets", COLUMNS, main, picked)
    return replace(made, tables=(table, *made.tables))
