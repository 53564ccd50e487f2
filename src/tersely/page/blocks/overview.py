"""The table of the first screen: what was spent, saved, gained and lost, in at most eight rows."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.analysis.clusters import token_clusters
from tersely.analysis.profile import clustered_quantile
from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Entry, Role, Who
from tersely.page.standings import Standing, apart, best_of, gains
from tersely.page.table import ACCURACY, CHANGE, MODEL, SAVING, TOKENS, Cell, Column, Table
from tersely.records import Estimate

MOST = 8
QUANTILES = (0.5, 0.95, 0.99)


def block(comparison: Comparison, options: Options) -> Block | None:
    hidden = (Role.ABLATION,) if apart(comparison, options.with_ablations) else ()
    entries = comparison.view(*(role for role in Role if role not in hidden)).entries
    table = _table(comparison, entries, pick(comparison, entries, options))
    return Block("overview", "Every model, all problems", tables=(table,))


def _table(comparison: Comparison, entries: Sequence[Entry], picked: tuple[int, ...] | None) -> Table:
    """Columns that say nothing here are left out."""
    reference = comparison.reference
    columns: list[tuple[Column, list[Cell]]] = [(MODEL, [e.label for e in entries])]
    if any(len(e.results) > 1 for e in entries):
        columns.append((Column("seeds", "Seeds", "whole"), [len(e.results) for e in entries]))
    columns.append((TOKENS, [e.overall("tokens") for e in entries]))
    for share in QUANTILES:
        name = f"p{share * 100:.0f}"
        columns.append((Column(f"tokens_{name}", name, "whole"), [_quantile(e, share) for e in entries]))
    if reference is not None and reference.role is Role.FAMILY:
        against = reference.entries[comparison.datasets[0]]
        pairs = [(None, None) if e.role is Role.BASE or e is against else gains(e, against) for e in entries]
        columns.append((Column("saving_reference", f"Saved against {reference.label}", "percent"),
                        [saving for saving, _ in pairs]))  # fmt: skip
        columns.append((Column("change_reference", f"Accuracy against {reference.label}, points", "change"),
                        [change for _, change in pairs]))  # fmt: skip
    columns.append((SAVING, [e.gain("token_saving") for e in entries]))
    columns.append((CHANGE, [e.gain("accuracy_difference") for e in entries]))
    columns.append((ACCURACY, [e.overall("accuracy") for e in entries]))
    rows = tuple(zip(*(values for _, values in columns), strict=True))
    title = f"{'Every model' if picked is None else 'The models that matter'}; p50: half need at most so many tokens"
    return Table("overview", title, tuple(column for column, _ in columns), rows, picked)


def _quantile(entry: Entry, share: float) -> Estimate | None:
    found = entry.over_results(lambda records: clustered_quantile(token_clusters(records), share))
    return None if found is None else Estimate(found.value, None, None, found.n, found.method, found.unit)


def pick(comparison: Comparison, entries: Sequence[Who], options: Options) -> tuple[int, ...] | None:
    """Places of at most eight: the base, the reference, the model that the message names, the best of each other
    method, then the family."""
    if len(entries) <= MOST:
        return None
    reference = comparison.reference
    wanted = ["base", reference.label if reference else "", options.chosen or ""]
    methods: dict[str, list[Standing]] = {}
    for standing in options.found:
        if standing.role is not Role.FAMILY:
            methods.setdefault(standing.series, []).append(standing)
    ordered = sorted(methods.values(), key=lambda group: group[0].role is not Role.BASELINE)
    wanted += [best.label for group in ordered if (best := best_of(group)) is not None]
    wanted += [entry.label for entry in entries if entry.role is Role.FAMILY]
    places = {entry.label: place for place, entry in enumerate(entries)}
    known = list(dict.fromkeys(label for label in wanted if label in places))
    return tuple(sorted(places[label] for label in known[:MOST]))
