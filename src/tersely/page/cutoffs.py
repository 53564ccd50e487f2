"""The generation cutoff as a baseline: what smaller caps would have given, from the base's kept responses."""

from __future__ import annotations

from dataclasses import replace

from tersely.analysis import compare_paired, cut, summarise
from tersely.analysis.cutoff import cutoff_limits
from tersely.page.records import Contender, Entry, Result, Role


def cutoff_contenders(base: Contender) -> list[Contender]:
    """One contender a limit; a limit stands only with the data sets on which it can be computed."""
    grids = {d: cutoff_limits([r.evaluation.responses() for r in e.results]) for d, e in base.entries.items()}
    found = []
    for limit in sorted({limit for grid in grids.values() for limit in grid}):
        who = (f"cutoff {limit}", Role.CUTOFF, "cutoff", None, "")
        entries = {
            dataset: Entry(*who, tuple(_cut(result, limit) for result in entry.results))
            for dataset, entry in base.entries.items()
            if limit in grids[dataset]
        }
        found.append(Contender(*who, entries, base.runs))
    return found


def _cut(result: Result, limit: int) -> Result:
    old = result.evaluation
    records = tuple(cut(old.responses(), limit))
    summary = summarise(records, replace(old.protocol, max_new_tokens=limit), phrases={})
    made = replace(old, summary=summary, held=records)
    return Result(result.run, made, compare_paired(old.responses(), records), result.run.path)
