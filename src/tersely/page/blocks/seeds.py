"""Every seed by itself; its interval is the one over problems."""

from __future__ import annotations

from dataclasses import replace

from tersely.page.block import Block, Options
from tersely.page.columns import ACCURACY, CHANGE, MODEL, SAVING, TOKENS
from tersely.page.records import Comparison
from tersely.table import Column, tabulate

RUN = Column("run", "Run", get=lambda entry: entry.results[0].run.name)
SEED = Column("seed", "Seed", get=lambda entry: entry.results[0].seed)
TITLE = "Every run by itself"


def block(comparison: Comparison, options: Options) -> Block | None:
    several = [entry for entry in comparison.view().entries if len(entry.results) > 1]
    single = [replace(entry, results=(result,)) for entry in several for result in entry.results]
    table = tabulate("seeds", TITLE, (MODEL, RUN, SEED, TOKENS, SAVING, ACCURACY, CHANGE), single)
    return Block("seeds", TITLE, tables=(table,)) if single else None
