"""The table of the first screen: what was spent, saved, gained and lost, in at most eight rows."""

from collections.abc import Sequence

from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Entry, Role, Who
from tersely.page.standings import Standing, best_of, gains, hidden
from tersely.page.words import columns
from tersely.table import Cell, Column, tabulate

MOST = 8


def block(comparison: Comparison, options: Options) -> Block | None:
    out = hidden(comparison, options.with_ablations)
    entries = [entry for entry in comparison.view().entries if entry.role not in out]
    picked = pick(comparison, entries, options)
    title = f"{'Every model' if picked is None else 'The models that matter'}; p50: half need at most so many tokens"
    table = tabulate("overview", title, _columns(comparison, entries, options), entries, picked)
    return Block("overview", "Every model, all problems", tables=(table,))


def _columns(comparison: Comparison, entries: Sequence[Entry], options: Options) -> list[Column]:
    """Columns that say nothing here are left out; what only some pages have stands before the savings."""
    found = columns("overview")
    place = [column.key for column in found].index("token_saving")
    more, price, reference = [], options.price, comparison.reference
    if price is not None:
        title = f"A million answers, {options.currency}"
        more.append(Column("money", title, "whole", lambda entry: entry.overall("tokens").value * price))
    if reference is not None and reference.role is Role.FAMILY:
        against = reference.entries[comparison.datasets[0]]

        def gain(entry: Entry, place: int) -> Cell:
            return None if entry.role is Role.BASE or entry.label == against.label else gains(entry, against)[place]

        saved, change = f"Saved against {against.label}", f"Accuracy against {against.label}, points"
        more.append(Column("saving_reference", saved, "percent", lambda entry: gain(entry, 0)))
        more.append(Column("change_reference", change, "change", lambda entry: gain(entry, 1)))
    found[place:place] = more
    return [column for column in found if column.key != "seeds" or any(entry.seeds > 1 for entry in entries)]


def pick(comparison: Comparison, entries: Sequence[Who], options: Options) -> tuple[int, ...] | None:
    """Places of at most eight: base, reference, the message's model, each other method's best, then the family."""
    if len(entries) <= MOST:
        return None
    reference = comparison.reference
    wanted = ["base", reference.label if reference else "", options.chosen or ""]
    methods: dict[str, list[Standing]] = {}
    for standing in sorted(options.found, key=lambda standing: standing.role is not Role.BASELINE):
        if standing.role is not Role.FAMILY:
            methods.setdefault(standing.series, []).append(standing)
    wanted += [best.label for group in methods.values() if (best := best_of(group)) is not None]
    wanted += [entry.label for entry in entries if entry.role is Role.FAMILY]
    places = {entry.label: place for place, entry in enumerate(entries)}
    known = list(dict.fromkeys(label for label in wanted if label in places))
    return tuple(sorted(places[label] for label in known[:MOST]))
