"""More about every model: right and wrong lengths, every seed, several responses together, and the noise floor."""

from __future__ import annotations

from dataclasses import replace

from tersely.page.block import ACCURACY, CHANGE, DATASET, MODEL, SAVING, TOKENS, Block, Options, overall
from tersely.page.records import Comparison, Entry, Role
from tersely.page.words import say
from tersely.table import Column, Table, tabulate


def responses(entry: Entry) -> int:
    """k, the most that any seed gave to a problem."""
    return max(result.evaluation.summary.k for result in entry.results)


DETAILS = (
    MODEL,
    overall("tokens_correct", "Tokens when correct", "tokens"),
    overall("tokens_wrong", "Tokens when wrong", "tokens"),
    overall("truncated", "Truncated", "percent"),
    overall("no_answer", "No answer", "percent"),
    overall("unjudged", "Could not be judged", "percent"),
)
RUN = Column("run", "Run", get=lambda entry: entry.results[0].run.name)
SEEDS = (MODEL, RUN, Column("seed", "Seed", get=lambda e: e.results[0].seed), TOKENS, SAVING, ACCURACY, CHANGE)
TOGETHER = (
    MODEL,
    Column("k", "k", "whole", responses),
    replace(ACCURACY, title="One response"),
    Column("best_of_k", "Best of k (pass@k)", "percent", lambda e: e.overall("pass_at_k", responses(e))),
    Column("majority", "Majority of k", "percent", lambda e: e.overall("maj_at_k", responses(e))),
    replace(TOKENS, title="Tokens of one"),
    replace(overall("tokens", "Tokens of the shortest correct of k", "tokens", "best_of_k"), key="shortest_correct"),
    replace(overall("tokens_spent", "Tokens of all k", "tokens", "best_of_k"), key="tokens_of_k"),
)
NOISE = (
    Column("source", "Measured from"),
    Column("token_saving", "Tokens “saved” by asking again", "percent"),
    Column("accuracy_difference", "Change of accuracy, points", "change"),
    Column("saving_reach", "Savings below this are noise", "percent"),
    Column("accuracy_reach", "Changes below this are noise, points", "reach"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    entries, (dataset,) = comparison.view().entries, comparison.datasets
    passes = sorted({k for e in entries for r in e.results for k in r.evaluation.summary.overall.pass_at_k})
    at_k = [replace(overall(k, f"pass@{k}", "percent", "pass_at_k"), key=f"pass_at_{k}") for k in passes]
    single = [replace(e, results=(result,)) for e in entries if len(e.results) > 1 for result in e.results]
    asked = [e for e in entries if e.role not in (Role.CUTOFF, Role.PROMPTED) and responses(e) > 1]
    floors = tuple((dataset, *(column.of(one) for column in NOISE)) for one in comparison.noise[dataset])
    tables = (
        tabulate("details", "Lengths, and what was not answered", [*DETAILS, *at_k], entries),
        tabulate("seeds", "Every run by itself", SEEDS, single),
        tabulate("references", "Several responses together", TOGETHER, asked),
        Table("noise", "Noise floor: the base against itself", (DATASET, *NOISE), floors),
    )
    shown = tuple(table for table in tables if table.rows)
    return Block("details", "More about every model", (say("details.words"),), tables=shown)
