"""What k responses of each model are worth together, and below which difference everything is noise."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Role
from tersely.page.table import MODEL, Cell, Column, Table

WORDS = (
    "Best of k needs to know the right answer, so it is an upper bound; the majority does not. Both cost all k "
    "responses. A difference below the noise floor is no difference."
)


def block(comparison: Comparison, options: Options) -> Block | None:
    made = [_together(comparison.on(dataset)) for dataset in comparison.datasets]
    tables = tuple(table for table in (*made, _noise(comparison)) if table.rows)
    return Block("references", "Several responses, and the noise floor", (WORDS,), tables=tables) if tables else None


def _together(comparison: Comparison) -> Table:
    dataset = comparison.datasets[0]
    rows: list[tuple[Cell, ...]] = []
    for entry in comparison.view().entries:
        k = max(result.evaluation.summary.k for result in entry.results)
        if k > 1 and entry.role not in (Role.CUTOFF, Role.PROMPTED):
            rows.append((entry.label, k, entry.overall("accuracy"), entry.overall("pass_at_k", k),
                         entry.overall("maj_at_k", k), entry.overall("tokens"), entry.overall("best_of_k", "tokens"),
                         entry.overall("best_of_k", "tokens_spent")))  # fmt: skip
    columns = (
        MODEL,
        Column("k", "k", "whole"),
        Column("accuracy", "One response", "percent"),
        Column("best_of_k", "Best of k (pass@k)", "percent"),
        Column("majority", "Majority of k", "percent"),
        Column("tokens", "Tokens of one", "tokens"),
        Column("shortest_correct", "Tokens of the shortest correct of k", "tokens"),
        Column("tokens_of_k", "Tokens of all k", "tokens"),
    )
    return Table(f"references_{dataset}", f"Several responses together, {dataset}", columns, tuple(rows))


def _noise(comparison: Comparison) -> Table:
    rows = tuple(
        (dataset, floor.source, floor.token_saving, floor.accuracy_difference, floor.saving_reach, floor.accuracy_reach)
        for dataset, floors in comparison.noise.items()
        for floor in floors
    )
    columns = (
        Column("dataset", "Data set"),
        Column("source", "Measured from"),
        Column("token_saving", "Tokens “saved” by asking again", "percent"),
        Column("accuracy_difference", "Change of accuracy, points", "change"),
        Column("saving_reach", "Savings below this are noise", "percent"),
        Column("accuracy_reach", "Changes below this are noise, points", "reach"),
    )
    return Table("noise", "Noise floor: the base against itself", columns, rows)
