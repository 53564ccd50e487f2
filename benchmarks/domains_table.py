"""The page of `benchmarks/domains.py`, computed from the records alone.

python benchmarks/domains_table.py --out runs/domains --commit 33af81e    # records first, then the page
python benchmarks/domains_table.py                                        # the page of the records that are there
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from domains import ALPHAS, AVERAGINGS, BUDGETS, ON_EVERY_BASE, SEEDS, TASKS, K, Place
from domains_facts import Answers, Domain, above, against_search, price, saving
from domains_records import RECORDS, DomainRecords, measured, pack

from tersely.errors import TerselyError
from tersely.table import show

RESULT = Path(__file__).parent / "results" / "domains.md"
FIRST, MORE = SEEDS[0], SEEDS[1:]
CUTOFFS = 6
"""Smaller caps, evenly up to half of the base's longest response."""


def name_of(alpha: float) -> str:
    return f"alpha-{alpha:g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    rule = "|".join(["---", *("---:" for _ in header[1:])])
    return ["", f"| {' | '.join(header)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]


# ---- one task


def section(domain: Domain) -> Iterator[str]:
    yield from ("", f"## {domain.task.capitalize()}", "", bases(domain))
    yield from family(domain)
    yield from every_base(domain)
    yield from who_saves(domain)
    yield from habits(domain)
    yield from others(domain)
    yield from averaging(domain)
    yield from ramp(domain)
    yield from both(domain)


def bases(domain: Domain) -> str:
    """What the gate saw, which alone decided about them."""
    told = []
    for seed, base in domain.records.about["seeds"].items():
        last = base["attempts"][-1]
        more = f" (attempt {len(base['attempts'])})" if len(base["attempts"]) > 1 else ""
        told.append(f"seed {seed}{more} {last['accuracy']:.1%} with {last['tokens']:.0f} tokens")
    search = domain.search_length()
    return (
        f"Bases, by the gate's problems: {'; '.join(told)}. The plain search of the further problems takes "
        f"{search:.0f} tokens in the mean and is always right."
    )


def family(domain: Domain) -> Iterator[str]:
    """Every alpha on the first base."""
    zero = domain.answers(FIRST, name_of(0))
    rows = []
    for name in ("base", *map(name_of, ALPHAS)):
        one = domain.answers(FIRST, name)
        if one is not None:
            rows.append([name.replace("-", " "), *family_cells(domain, one, zero)])
    header = (
        "model",
        "accuracy",
        "price against alpha 0",
        "tokens",
        "saved against alpha 0",
        "right answers, search = 1",
    )
    yield from ("", f"### Every alpha on the base of seed {FIRST}")
    yield from table([*header, "best stop at this length"], rows)


def family_cells(domain: Domain, one: Answers, zero: Answers | None) -> list[str]:
    beside = zero is not None and one.name not in ("base", zero.name)
    change = price(zero, one, len(ALPHAS) - 1) if beside and zero else None
    saved = saving(zero, one) if beside and zero else None
    best = domain.best_accuracy(one.tokens.value)
    return [
        show(one.accuracy, "percent"),
        show(change, "points"),
        show(one.tokens, "tokens"),
        show(saved, "percent"),
        show(against_search(domain, one), "ratio"),
        show(best, "percent"),
    ]


def every_base(domain: Domain) -> Iterator[str]:
    """Alpha 0 and 0.2 on all bases."""
    first, second = map(name_of, ON_EVERY_BASE)
    rows, changes = [], []
    for seed in SEEDS:
        zero, some = domain.answers(seed, first), domain.answers(seed, second)
        if zero and some:
            change = price(zero, some)
            changes.append(change.value)
            cells = (show(zero.accuracy, "percent"), show(some.accuracy, "percent"), show(change, "points"))
            sizes = (show(zero.tokens, "tokens"), show(some.tokens, "tokens"), show(saving(zero, some), "percent"))
            rows.append([str(seed), *cells, *sizes])
    if rows:
        yield from ("", "### Alpha 0.2 against alpha 0 on every base")
        header = ("base", "alpha 0", "alpha 0.2", "price", "tokens at 0", "tokens at 0.2", "saved")
        yield from table(header, rows)
        mean = sum(changes) / len(changes)
        yield ""
        yield (
            f"Mean price over {len(changes)} bases {100 * mean:+.1f} points. So few training runs carry no interval of "
            "their mean (docs/metrics.md); each row's is over problems, for these trained models."
        )


def who_saves(domain: Domain) -> Iterator[str]:
    """By level, kind and length of the known best."""
    zero = domain.answers(FIRST, name_of(0))
    members = [one for alpha in ALPHAS[1:] if (one := domain.answers(FIRST, name_of(alpha))) is not None]
    if zero is None or not members:
        return
    parts = [(f"level {level}", names) for level, names in domain.levels.items()]
    parts += list(domain.kinds.items())
    parts += [(f"quarter {n} by search", names) for n, names in enumerate(domain.quarters, start=1)]
    rows = []
    for title, names in parts:
        part, search = zero.of(names), domain.search_length(names)
        saved = [show(saving(part, one.of(names)), "percent") for one in members]
        lost = [show(price(part, one.of(names)), "points") for one in members]
        both = [f"{s}; {p}" for s, p in zip(saved, lost, strict=True)]
        rows.append([title, f"{search:.0f}", show(part.tokens, "tokens"), *both])
    yield from ("", "### Who saves, and who pays: tokens saved and change of accuracy against alpha 0")
    header = ("problems", "search", "tokens at alpha 0", *(one.name.replace("-", " ") for one in members))
    yield from table(header, rows)


def habits(domain: Domain) -> Iterator[str]:
    names = domain.records.habits
    rows = []
    for name in ("base", *map(name_of, ALPHAS)):
        one = domain.answers(FIRST, name)
        if one is not None:
            shown = [f"{one.shown(place):.1%}" for place in range(len(names))]
            rows.append([name.replace("-", " "), *shown, f"{one.unfinished:.1%}"])
    yield from ("", "### Share of responses that show a habit, and that do not end")
    yield from table(("model", *names, "unfinished"), rows)


def others(domain: Domain) -> Iterator[str]:
    """Other ways to be brief, beside the line of the family at the same tokens."""
    base = domain.answers(FIRST, "base")
    line = [one for alpha in ALPHAS if (one := domain.answers(FIRST, name_of(alpha))) is not None]
    if base is None or len(line) < 2:
        return
    found = [("iterated SFT", domain.answers(FIRST, "iterated-sft"))]
    found += [(f"thinking ended at {n}", domain.answers(FIRST, f"base@budget-{n}")) for n in BUDGETS]
    longest = max(record.tokens for record in base.records)
    limits = [round(longest * part / (2 * CUTOFFS)) for part in range(1, CUTOFFS + 1)]
    found += [(f"base cut at {limit}", base.cut(limit)) for limit in limits]
    rows = [
        [title, show(one.accuracy, "percent"), show(one.tokens, "tokens"), show(above(line, one), "points")]
        for title, one in found
        if one is not None
    ]
    yield from ("", "### Other ways to be brief, on the same base")
    yield from table(("way", "accuracy", "tokens", "above the family at the same tokens"), rows)


def averaging(domain: Domain) -> Iterator[str]:
    """Alpha 0 under the three averagings of a response's tokens."""
    zero = domain.answers(FIRST, name_of(0))
    rows = []
    for title, name in (("sequence (the paper's)", name_of(0)), *((a, f"averaging-{a}") for a in AVERAGINGS)):
        one = domain.answers(FIRST, name)
        if one is not None and zero is not None:
            change = None if one.name == zero.name else price(zero, one)
            saved = None if one.name == zero.name else saving(zero, one)
            cells = (show(one.accuracy, "percent"), show(change, "points"), show(one.tokens, "tokens"))
            rows.append([title, *cells, show(saved, "percent")])
    yield from ("", "### Alpha 0 under each averaging")
    yield from table(("averaging", "accuracy", "against the paper's", "tokens", "saved"), rows)


def ramp(domain: Domain) -> Iterator[str]:
    """What one run of tune traced, beside alpha 0 and 0.2 of the same base."""
    yield from ("", "### One run of `tersely tune`")
    for seed in MORE:
        told = domain.records.about["seeds"].get(str(seed), {}).get("certificates", [])
        for certificate in told:
            yield from ("", f"Base {seed}: {certificate['verdict']}, {certificate['member']}.")
        traced = [name for name in domain.records.seeds.get(seed, {}) if name.startswith("ramp/")]
        line = [one for alpha in ON_EVERY_BASE if (one := domain.answers(seed, name_of(alpha))) is not None]
        models = [*line, *(one for name in traced if (one := domain.answers(seed, name)) is not None)]
        rows = [
            [one.name, show(one.accuracy, "percent"), show(one.tokens, "tokens"), show(above(line, one), "points")]
            for one in models
        ]
        if traced:
            yield from table((f"base {seed}", "accuracy", "tokens", "above the line from alpha 0 to 0.2"), rows)


def both(domain: Domain) -> Iterator[str]:
    """Models whose base learnt both tasks, on this one."""
    base = domain.answers(FIRST, "both/base")
    if base is None:
        return
    rows = [["none: the base", show(base.accuracy, "percent"), "–", show(base.tokens, "tokens"), "–"]]
    for task in TASKS:
        for alpha in ON_EVERY_BASE:
            one = domain.answers(FIRST, f"both/{task}-alpha-{alpha:g}")
            if one is not None:
                change, saved = show(price(base, one), "points"), show(saving(base, one), "percent")
                cells = (show(one.accuracy, "percent"), change, show(one.tokens, "tokens"), saved)
                rows.append([f"{task}, alpha {alpha:g}", *cells])
    yield from ("", f"### One base for both tasks, asked {domain.task}")
    yield from table(("trained on", "accuracy", "against its base", "tokens", "saved"), rows)


# ---- the page


def page(domains: Sequence[Domain]) -> str:
    about = domains[0].records.about
    head = [
        "# What brevity costs on Countdown and ordering puzzles",
        "",
        f"Commit {about['commit']}, {about['machine']}, torch {about['versions'].get('torch')}. Command: "
        f"`python benchmarks/domains.py`; computed from [the records](../records/README.md) by "
        f"`python benchmarks/domains_table.py`. {len(domains[0].records.problems)} further problems x {K}, temperature "
        "0.6, all models on the same; 95 % intervals over problems, those of the price of four alphas hold together "
        "(Bonferroni). Nothing was tuned to an alpha: formats and learning rates were chosen on the base of "
        "seed 0 and on alpha 0 alone, and frozen (docs/LOG.md). Best stop: what giving up (Countdown) or answering "
        "(ordering) everywhere at one point of the plain search is right in, at the same mean length; a model that "
        "knows which problems are hard can lie above it.",
    ]
    body = [line for domain in domains for line in section(domain)]
    return "\n".join([*head, *body, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=None, help="runs to fill the records from")
    parser.add_argument("--commit", default=None, help="of the code that made them")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--result", type=Path, default=RESULT)
    args = parser.parse_args()
    if (args.out is None) != (args.commit is None):
        parser.error("--out and --commit go together")
    if args.out is not None:
        for task in TASKS:
            places = [at for seed in SEEDS if (at := Place(args.out, task, seed)).folder.is_dir()]
            if any(True for at in places for _ in measured(at)):
                pack(places, args.records / task, args.commit)
    there = [task for task in TASKS if (args.records / task / "runs.json").is_file()]
    if not there:
        raise SystemExit(f"{args.records} holds no records of these tasks: give --out and --commit")
    args.result.write_text(page([Domain(DomainRecords(task, args.records)) for task in there]), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except TerselyError as error:
        raise SystemExit(f"{error}") from error
