"""When training has paid for itself."""

from __future__ import annotations

from dataclasses import dataclass

from tersely.analysis.seeds import scaled
from tersely.page.block import Block, Options
from tersely.page.columns import DATASET, MODEL
from tersely.page.cost import Cost, contender_cost, search_cost
from tersely.page.records import TRAINED, Comparison
from tersely.page.words import say
from tersely.records import Estimate
from tersely.table import Column, tabulate

TITLE = "When training has paid for itself"
COLUMNS = (
    MODEL,
    DATASET,
    Column("currency", "Counted in"),
    Column("cost", "Cost of training", "small"),
    Column("saved", "Saved a query", "small"),
    Column("queries", "Queries until it has paid for itself", get=lambda payback: payback.words),
)


@dataclass(frozen=True, slots=True)
class Payback:
    """Queries until training has paid for itself, in one currency."""

    label: str
    dataset: str
    currency: str
    """"tokens", "seconds" or the name of the money."""
    cost: float
    saved: Estimate
    """Saved by one query, in the same unit."""

    @property
    def queries(self) -> tuple[float | None, float | None, float | None]:
        """(estimate, fewest, most) queries by the ends of ``saved``'s interval; None is never, or unknown (no end)."""
        value, few, many = (
            None if saved is None or saved <= 0 else self.cost / saved
            for saved in (self.saved.value, self.saved.high, self.saved.low)
        )
        return value, few, many

    @property
    def words(self) -> str:
        """ "1,234 [1,000, 2,000]", "never", "1,234 [1,000, never]"."""
        if self.cost == 0 and self.saved.value > 0:
            return "from the first"
        value, few, many = ("never" if queries is None else f"{queries:,.0f}" for queries in self.queries)
        without = self.saved.low is None or value == few == "never"
        return value if without else f"{value} [{few}, {many}]"


def block(comparison: Comparison, options: Options) -> Block | None:
    found = paybacks(comparison, options)
    if not found:
        return None
    never = list(dict.fromkeys(p.label for p in found if p.queries[0] is None))
    words = [say("payback.never", labels=", ".join(never))] if never else []
    words.append(f"{say('payback.counted')} {_money(options)}")
    chosen = next((c for c in comparison.contenders if c.label == options.chosen and c.is_member), None)
    if chosen is not None and (count := search_cost(comparison, chosen)[0]) > 1:
        words.append(say("payback.search", label=chosen.label, count=count))
    return Block("payback", TITLE, tuple(words), tables=(tabulate("payback", TITLE, COLUMNS, found),))


def _money(options: Options) -> str:
    if options.price is None:
        return say("payback.no_price")
    hours = "training tokens at the same price" if options.gpu_hour is None else f"wall hours at {options.gpu_hour:g}"
    return say("payback.money", currency=options.currency, hours=hours, price=options.price)


def paybacks(comparison: Comparison, options: Options) -> list[Payback]:
    """For everything that was trained, on every data set, in each currency that can be computed; first of all for the
    member that was chosen, with what it cost to choose it.

    tokens: (sampled + trained tokens) / tokens saved a query, a trained token counting as one generated. seconds: wall
    seconds / (tokens saved x the seconds that generating a token took in training; the mean over the others where a
    method did not record it). Money, with a price (of a million generated tokens): (wall hours x ``gpu_hour``, or
    training tokens x price without it) / (tokens saved x price). The cost is a measurement and has no interval; that
    of the saving is carried over.
    """
    trained = [c for c in comparison.contenders if c.role in TRAINED and not c.mark]
    bills = [(c.label, c, contender_cost(c)) for c in trained]
    paces = [cost.seconds_per_token for _, _, cost in bills if cost.seconds_per_token is not None]
    pace = sum(paces) / len(paces) if paces else None
    for chosen in trained:
        count, cost = search_cost(comparison, chosen)
        if chosen.label == options.chosen and count > 1:
            bills.insert(0, (f"{chosen.label}, with the search over {count} alphas", chosen, cost))
    found = []
    for label, contender, cost in bills:
        for dataset in (d for d in comparison.datasets if d in contender.entries):
            change = contender.entries[dataset].gain("token_difference")
            for currency, spent, worth in _bills(cost, pace, options):
                if change is not None and spent is not None and worth is not None:
                    found.append(Payback(label, dataset, currency, spent, scaled(change, -worth)))
    return found


def _bills(cost: Cost, pace: float | None, options: Options) -> list[tuple[str, float | None, float | None]]:
    """(currency, spent on training, what a generated token is worth)."""
    made = [("tokens", cost.tokens, 1.0), ("seconds", cost.wall, cost.seconds_per_token or pace)]
    if options.price is not None:
        made.append((options.currency, cost.money(options.price, options.gpu_hour), options.price / 1e6))
    return made
