"""The generation cutoff as a baseline: what smaller caps would have given, from the base's kept responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tersely.analysis import compare_paired, cut, summarise
from tersely.page.records import Contender, Entry, Result, Role
from tersely.records import EvalRecord, Finish

PAPER = (8192, 16384, 20480, 24576, 32768)
"""The paper's 8K to 32K."""
QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95)
"""Of the base's own lengths, where the paper's cutoffs lie beyond every response."""


def cutoff_limits(seeds: Sequence[Sequence[EvalRecord]]) -> list[int]:
    """Limits that shorten something and can be computed for every seed: the paper's, else quantiles of the lengths."""
    pooled = [record for records in seeds for record in records]
    longest = max(record.tokens for record in pooled)
    stopped = min((r.tokens for r in pooled if r.finish is not Finish.EOS), default=longest)
    limits = [limit for limit in PAPER if limit < longest]
    if not limits:
        found = np.quantile([record.tokens for record in pooled], QUANTILES, method="higher")
        limits = sorted({int(value) for value in found})
    return [limit for limit in limits if limit < longest and limit <= stopped]


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
