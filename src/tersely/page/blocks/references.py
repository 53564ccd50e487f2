"""What k responses of each model are worth together, and below which difference everything is noise."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.columns import ACCURACY, DATASET, MODEL, TOKENS, overall
from tersely.page.records import Comparison, Entry, Role
from tersely.page.words import say
from tersely.table import Column, Table, tabulate


def responses(entry: Entry) -> int:
    """k, the most that any seed gave to a problem."""
    return max(result.evaluation.summary.k for result in entry.results)


TOGETHER = (
    MODEL,
    Column("k", "k", "whole", responses),
    Column("accuracy", "One response", "percent", ACCURACY.get),
    Column("best_of_k", "Best of k (pass@k)", "percent", lambda e: e.overall("pass_at_k", responses(e))),
    Column("majority", "Majority of k", "percent", lambda e: e.overall("maj_at_k", responses(e))),
    Column("tokens", "Tokens of one", "tokens", TOKENS.get),
    overall("shortest_correct", "Tokens of the shortest correct of k", "tokens", "best_of_k", "tokens"),
    overall("tokens_of_k", "Tokens of all k", "tokens", "best_of_k", "tokens_spent"),
)
NOISE = (
    DATASET,
    Column("source", "Measured from"),
    Column("token_saving", "Tokens “saved” by asking again", "percent"),
    Column("accuracy_difference", "Change of accuracy, points", "change"),
    Column("saving_reach", "Savings below this are noise", "percent"),
    Column("accuracy_reach", "Changes below this are noise, points", "reach"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    dataset = comparison.datasets[0]
    entries = [e for e in comparison.view().entries if e.role not in (Role.CUTOFF, Role.PROMPTED) and responses(e) > 1]
    floors = comparison.noise.get(dataset, ())
    rows = tuple((dataset, *(column.of(floor) for column in NOISE[1:])) for floor in floors)
    noise = Table("noise", "Noise floor: the base against itself", NOISE, rows)
    together = tabulate("references", "Several responses together", TOGETHER, entries)
    tables = tuple(table for table in (together, noise) if table.rows)
    return (
        Block("references", "Several responses, and the noise floor", (say("references.words"),), tables=tables)
        if tables
        else None
    )
