"""More about every model: right and wrong lengths, every seed, several responses together, and the noise floor."""

from dataclasses import replace

from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Role
from tersely.page.words import cell, columns, say, table
from tersely.table import Column


def block(comparison: Comparison, options: Options) -> Block | None:
    entries, (dataset,) = comparison.view().entries, comparison.datasets
    passes = sorted({k for e in entries for r in e.results for k in r.evaluation.summary.overall.pass_at_k})
    at_k = [Column(f"pass_at_{k}", f"pass@{k}", "percent", cell("overall", "pass_at_k", k)) for k in passes]
    single = [replace(e, results=(result,)) for e in entries if e.seeds > 1 for result in e.results]
    asked = [e for e in entries if e.role not in (Role.CUTOFF, Role.PROMPTED) and e.k > 1]
    keys = [column.key for column in columns("noise")[1:]]
    floors = [(dataset, *(getattr(floor, key) for key in keys)) for floor in comparison.noise[dataset]]
    made = (
        table("details", entries, more=at_k),
        table("seeds", single),
        table("references", asked),
        table("noise", floors),
    )
    shown = tuple(one for one in made if one.rows)
    return Block("details", "More about every model", (say("details.words"),), tables=shown)
