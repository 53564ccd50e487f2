"""All data sets in one plane: the unweighted mean of the ratios to the base, as the paper aggregates."""

from dataclasses import replace

from tersely.page.block import Block, Options
from tersely.page.blocks import frontier, overview
from tersely.page.records import Comparison
from tersely.page.standings import aggregate_plane, hidden
from tersely.page.words import table


def block(comparison: Comparison, options: Options, picked: tuple[int, ...] | None = None) -> Block | None:
    """``picked``: places of the rows that stand on the first screen, where others than usual."""
    count = len(comparison.datasets)
    main = [s for s in options.found if s.role not in hidden(comparison, options.with_ablations)]
    if not main or count < 2:
        return None
    made = frontier.plane_block(aggregate_plane(main, count), options.looks)
    picked = picked or overview.pick(comparison, main, options)
    ratios = replace(table("aggregate", main, picked), title=f"Mean of the ratios over {count} data sets")
    return replace(made, tables=(ratios, *made.tables))
