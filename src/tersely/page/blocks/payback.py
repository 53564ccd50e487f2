"""When training has paid for itself."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.cost import contender_cost, paybacks
from tersely.page.records import Comparison, Role
from tersely.page.table import MODEL, Column, Table, show

COUNTED = (
    "In tokens: tokens sampled and trained on, each counting one, over tokens saved a query. In seconds: wall time "
    "over tokens saved times the seconds a token took to sample in training. Cutoffs and prompts train nothing."
)
COLUMNS = (
    MODEL,
    Column("dataset", "Data set"),
    Column("currency", "Counted in"),
    Column("cost", "Cost of training", "small"),
    Column("saved", "Saved a query", "small"),
    Column("queries", "Queries until it has paid for itself"),
)


def block(comparison: Comparison, options: Options) -> Block | None:
    found = paybacks(comparison, options.price, options.gpu_hour, options.currency)
    if not found:
        return None
    never = list(dict.fromkeys(p.label for p in found if p.queries[0] is None))
    words = [f"Never paid back, because nothing is saved: {', '.join(never)}."] if never else []
    words += [COUNTED + _money(options), *_search(comparison)]
    rows = tuple((p.label, p.dataset, p.currency, p.cost, p.saved, p.words) for p in found)
    table = Table("payback", "When training has paid for itself", COLUMNS, rows)
    return Block("payback", "When training has paid for itself", tuple(words), tables=(table,))


def _money(options: Options) -> str:
    if options.price is None:
        return " Give --price, and --gpu-hour, for money."
    hours = "training tokens at the same price" if options.gpu_hour is None else f"wall hours at {options.gpu_hour:g}"
    return f" In {options.currency}: {hours}, over tokens saved at {options.price:g} a million."


def _search(comparison: Comparison) -> list[str]:
    """Whoever picks alpha from a family has paid for all of it."""
    family = [c for c in comparison.contenders if c.role is Role.FAMILY and not c.mark]
    spent = [cost for c in family if (cost := contender_cost(c).tokens) is not None]
    if len(spent) < 2:
        return []
    return [
        f"Each line counts one training. The search over {len(spent)} alphas took {show(sum(spent), 'whole')} tokens."
    ]
