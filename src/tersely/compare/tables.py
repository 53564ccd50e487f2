"""The tables of a comparison, each as data once and shown as HTML, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tersely.analysis import Point, clustered_mean, clustered_rate, dominance
from tersely.analysis.clusters import by_problem
from tersely.analysis.votes import majority_clusters, shortest_correct
from tersely.compare.ablations import Ablation
from tersely.compare.cost import TRAINED, Matched, Payback, contender_cost
from tersely.compare.records import Comparison, Plane, Role
from tersely.compare.standings import Standing
from tersely.records import Estimate, EvalRecord
from tersely.report.measure import Entry, Result, over_seeds
from tersely.report.tables import Cell, Column, Table

MODEL = Column("model", "Model")


def plane_table(plane: Plane) -> Table:
    """Who is dominated by whom, on values and, where there are intervals, beyond them."""
    found = dominance([Point(s.label, s.tokens, s.accuracy) for s in plane.spots])
    kinds = ("ratio", "ratio") if plane.normalised else ("tokens", "percent")
    ratio = ", ratio to the base" if plane.normalised else ""
    columns = [
        MODEL,
        Column("role", "What it is"),
        Column("tokens", f"Tokens{ratio}", kinds[0]),
        Column("accuracy", f"Accuracy{ratio}", kinds[1]),
        Column("dominated_by", "Dominated by"),
    ]
    rows: list[tuple[Cell, ...]] = [
        (s.label, str(s.role), s.tokens, s.accuracy, ", ".join(d.by) or "none")
        for s, d in zip(plane.spots, found, strict=True)
    ]
    if plane.intervals:
        columns.append(Column("clearly_dominated_by", "Dominated beyond the intervals by"))
        rows = [(*row, ", ".join(d.clearly_by) or "none") for row, d in zip(rows, found, strict=True)]
    return Table(f"plane_{plane.name}", plane.title, tuple(columns), tuple(rows))


def aggregate_table(found: Sequence[Standing], count: int) -> Table:
    rows = tuple((s.label, str(s.role), s.accuracy, s.tokens, s.aes) for s in found)
    columns = (
        MODEL,
        Column("role", "What it is"),
        Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
        Column("token_ratio", "Tokens, ratio to the base", "ratio"),
        Column("aes", "AES", "ratio"),
    )
    title = f"Mean of the ratios over {count} data sets" if count > 1 else "Ratios to the base"
    return Table("aggregate", title, columns, rows)


def ratio_table(found: Sequence[Standing], datasets: Sequence[str]) -> Table:
    rows = tuple((dataset, s.label, *s.sets[dataset]) for dataset in datasets for s in found if dataset in s.sets)
    columns = (
        Column("dataset", "Data set"),
        MODEL,
        Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
        Column("token_ratio", "Tokens, ratio to the base", "ratio"),
    )
    return Table("ratios", "Ratios to the base by data set", columns, rows)


def references(comparison: Comparison, dataset: str) -> Table | None:
    """What k responses of each model are worth together; None where nobody has more than one a problem."""
    rows: list[tuple[Cell, ...]] = []
    for contender in comparison.contenders:
        entry = contender.entries.get(dataset)
        if entry is None or contender.role in (Role.CUTOFF, Role.PROMPTED):
            continue
        k = max(result.evaluation.summary.k for result in entry.results)
        if k > 1:
            rows.append((contender.label, k, entry.overall("accuracy"), entry.overall("pass_at_k", k),
                         _majority(entry), entry.overall("tokens"), _shortest(entry), _together(entry)))  # fmt: skip
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
    name = f"references_{dataset}"
    return Table(name, f"Several responses together, {dataset}", columns, tuple(rows)) if rows else None


def noise_table(comparison: Comparison) -> Table | None:
    rows: list[tuple[Cell, ...]] = []
    for dataset, floors in comparison.noise.items():
        for floor in floors:
            rows.append((dataset, floor.source, floor.token_saving, floor.accuracy_difference, floor.saving_reach,
                         floor.accuracy_reach))  # fmt: skip
    columns = (
        Column("dataset", "Data set"),
        Column("source", "Measured from"),
        Column("token_saving", "Tokens “saved” by asking again", "percent"),
        Column("accuracy_difference", "Change of accuracy, points", "change"),
        Column("saving_reach", "Savings below this are noise", "percent"),
        Column("accuracy_reach", "Changes below this are noise, points", "reach"),
    )
    return Table("noise", "Noise floor: the base against itself", columns, tuple(rows)) if rows else None


def dynamics_table(comparison: Comparison, dataset: str) -> Table:
    rows = [
        (line.label, step, entries[dataset].overall("tokens"), entries[dataset].overall("accuracy"))
        for line in comparison.checkpoints
        for step, entries in line.steps.items()
        if dataset in entries
    ]
    columns = (
        MODEL,
        Column("iteration", "Iteration", "whole"),
        Column("tokens", "Tokens", "tokens"),
        Column("accuracy", "Accuracy", "percent"),
    )
    return Table(f"dynamics_{dataset}", f"Checkpoints on {dataset}", columns, tuple(rows))


def ablation_table(found: Sequence[Ablation]) -> Table:
    rows = tuple((a.label, a.against, a.dataset, a.saving, a.accuracy) for a in found)
    columns = (
        Column("model", "Departure"),
        Column("against", "Against"),
        Column("dataset", "Data set"),
        Column("token_saving", "Tokens saved against it", "percent"),
        Column("accuracy_difference", "Change of accuracy, points", "change"),
    )
    return Table("ablations", "Departures at the same alpha", columns, rows)


def cost_table(comparison: Comparison) -> Table:
    """Training of every contender, mean over seeds."""
    rows: list[tuple[Cell, ...]] = []
    for contender in comparison.contenders:
        if contender.role in TRAINED:
            cost = contender_cost(contender)
            counted = "prompts too" if cost.with_prompts else "responses"
            rows.append((contender.label, len(contender.runs), cost.sampled, cost.trained, cost.wall, counted))
    columns = (
        MODEL,
        Column("runs", "Seeds", "whole"),
        Column("sampled_tokens", "Tokens sampled", "whole"),
        Column("trained_tokens", "Tokens trained on", "whole"),
        Column("wall_s", "Wall time", "seconds"),
        Column("counted", "Trained on, counted over"),
    )
    return Table("training_cost", "What training took, mean over seeds", columns, tuple(rows))


def matched_table(found: Sequence[Matched]) -> Table:
    rows = tuple((m.axis, m.budget, m.method, m.best.label, m.spent, m.best.accuracy, m.best.tokens) for m in found)
    columns = (
        Column("axis", "Matched on"),
        Column("budget", "Budget", "whole"),
        Column("method", "Method"),
        Column("best", "Its best within the budget"),
        Column("spent", "Spent", "whole"),
        Column("accuracy_ratio", "Accuracy, ratio to the base", "ratio"),
        Column("token_ratio", "Tokens, ratio to the base", "ratio"),
    )
    return Table("matched", "Within the same budget", columns, rows)


def payback_table(found: Sequence[Payback]) -> Table:
    rows = tuple((p.label, p.dataset, p.currency, p.cost, p.saved, p.words) for p in found)
    columns = (
        MODEL,
        Column("dataset", "Data set"),
        Column("currency", "Counted in"),
        Column("cost", "Cost of training", "small"),
        Column("saved", "Saved a query", "small"),
        Column("queries", "Queries until it has paid for itself"),
    )
    return Table("payback", "When training has paid for itself", columns, rows)


def _majority(entry: Entry) -> Estimate | None:
    found = [majority_clusters(by_problem(result.evaluation.responses())) for result in entry.results]
    return over_seeds([clustered_rate(clusters) if clusters else None for clusters in found], share=True)


def _shortest(entry: Entry) -> Estimate | None:
    return over_seeds([_over_problems(result, shortest_correct) for result in entry.results])


def _together(entry: Entry) -> Estimate | None:
    return over_seeds([_over_problems(result, lambda g: float(sum(r.tokens for r in g))) for result in entry.results])


def _over_problems(result: Result, value: Callable[[Sequence[EvalRecord]], float]) -> Estimate:
    """Mean over problems of a value of all responses to one."""
    return clustered_mean({p: [value(group)] for p, group in by_problem(result.evaluation.responses()).items()})
