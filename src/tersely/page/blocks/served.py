"""Answers of a server: what each way of asking takes in tokens, seconds and money, and which are dominated in each."""

from tersely.analysis.served import ANSWERS, Price, Quantity, beaten
from tersely.page.block import Block, Options
from tersely.page.records import Comparison, Role
from tersely.page.words import say, table
from tersely.table import Column


def block(comparison: Comparison, options: Options) -> Block | None:
    everyone = [entry for entry in comparison.view().entries if entry.role is not Role.CUTOFF]
    entries = [entry for entry in everyone if all(record.served for record in entry.records(entry.first))]
    if not entries:
        return None
    axes: dict[str, Quantity | str] = {"tokens": "tokens", "seconds": "seconds"}
    more, price = [], options.price
    if price is not None and options.price_read is not None:
        axes["money"] = money = Price(options.price_read, price).of
        title = f"{ANSWERS:,} answers, {options.currency}"
        more.append(Column("money", title, "small", lambda entry: entry.spent(money)))
    compared = [entry for entry in entries if not entry.mark]
    said = [beaten(axis, [(entry.label, entry.overall("accuracy"), entry.spent(spent)) for entry in compared])
            for axis, spent in axes.items() if len(compared) > 1]  # fmt: skip
    words = (say("served.words"), *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in said))
    return Block("served", "Answers of a server, in tokens, seconds and money", words, None, "",
                 (table("served", entries, more=more),))  # fmt: skip
