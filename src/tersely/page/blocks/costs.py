"""What training took, where its time went, and when it has paid for itself."""

from statistics import fmean

from tersely.analysis.payback import Payback
from tersely.analysis.seeds import scaled
from tersely.evaluation.cost import total
from tersely.page.block import Block, Options
from tersely.page.cost import contender_cost, search_cost
from tersely.page.records import TRAINED, Comparison, Role
from tersely.page.words import columns, say, table
from tersely.table import Table


def block(comparison: Comparison, options: Options) -> Block | None:
    found, words = paybacks(comparison, options), prompts_sentence(comparison)
    if never := dict.fromkeys(payback.label for payback in found if payback.queries[0] is None):
        words.append(say("costs.never", labels=", ".join(never)))
    if found:
        hour = options.gpu_hour
        hours = "training tokens at the same price" if hour is None else f"wall hours at {hour:g}"
        money = say("costs.money", currency=options.currency, hours=hours, price=options.price or 0.0)
        words.append(f"{say('costs.counted')} {say('costs.no_price') if options.price is None else money}")
    chosen = next((c for c in comparison.contenders if c.label == options.chosen), None)
    if found and chosen is not None and (count := search_cost(comparison, chosen)[0]) > 1:
        words.append(say("costs.search", label=chosen.label, count=count))
    made = (cost_table(comparison), table("payback", found), _phase_table(comparison))
    tables = tuple(one for one in made if one.rows)
    return Block("costs", "What training took, and when it has paid for itself", tuple(words), tables=tables)


def paybacks(comparison: Comparison, options: Options) -> list[Payback]:
    """Of all that was trained, on every data set, in each currency; first of the chosen member with its search.

    tokens: (sampled + trained tokens) / tokens saved a query. seconds: wall seconds / (tokens saved x the seconds that
    a token took to sample in training; the others' mean where a method did not record it). Money, with a price of a
    million generated tokens: (wall hours x ``gpu_hour``, or training tokens x price without it) / (tokens saved x
    price). The cost is a measurement and has no interval; that of the saving is carried over.
    """
    trained = [c for c in comparison.contenders if c.role in TRAINED and not c.mark]
    bills = [(c.label, c, contender_cost(c)) for c in trained]
    paces = [cost.seconds_per_token for _, _, cost in bills if cost.seconds_per_token is not None]
    pace = fmean(paces) if paces else None
    for chosen in (c for c in trained if c.label == options.chosen):
        count, cost = search_cost(comparison, chosen)
        if count > 1:
            bills.insert(0, (f"{chosen.label}, with the search over {count} alphas", chosen, cost))
    found = []
    for label, contender, cost in bills:
        # (currency, spent on training, what a generated token is worth)
        worths = [("tokens", cost.tokens, 1.0), ("seconds", cost.wall, cost.seconds_per_token or pace)]
        if options.price is not None:
            worths.append((options.currency, cost.money(options.price, options.gpu_hour), options.price / 1e6))
        for dataset in (d for d in comparison.datasets if d in contender.entries):
            change = contender.entries[dataset].gain("token_difference")
            for currency, spent, worth in worths:
                if change is not None and spent is not None and worth is not None:
                    found.append(Payback(label, dataset, currency, spent, scaled(change, -worth)))
    return found


def prompts_sentence(comparison: Comparison) -> list[str]:
    """Whose training tokens are overstated, because an older clock counted the prompts among them."""
    trained = [c for c in comparison.contenders if c.role in TRAINED]
    named = [c.label for c in trained if contender_cost(c).with_prompts]
    return [say("costs.old_clock", labels=", ".join(named))] if named else []


def cost_table(comparison: Comparison) -> Table:
    pairs = [(c, contender_cost(c)) for c in comparison.contenders if c.role in TRAINED]
    rows = [(c.label, len(c.runs), cost.sampled, cost.trained, cost.wall,
             "prompts too" if cost.with_prompts else "responses") for c, cost in pairs]  # fmt: skip
    return table("training_cost", rows)


def _phase_table(comparison: Comparison) -> Table:
    """Seconds by phase and sampled tokens of each training run, summed over its clock and journal."""
    phases = [column.key for column in columns("cost") if column.kind == "seconds"]
    trained = [(c, run) for c in comparison.contenders if c.role in TRAINED for run in c.runs if run.journal]
    # One run stands once, at however many levels of effort it was measured.
    runs = {run.path: (c.series if c.role is Role.EFFORT else c.label, run) for c, run in trained}
    rows = []
    for label, run in runs.values():
        sampled = sum(step.response_tokens or 0 for step in run.journal)
        rows.append((label, run.name, len(run.journal), *(total(run.clock, phase) for phase in phases), sampled))
    return table("cost", rows)
