"""The figures of `benchmarks/tune.py`: from its runs to records, and from the records to benchmarks/results/tune.md.

    python benchmarks/tune_table.py --out runs/tune --bases runs/compare --commit 33af81e   # packs and writes
    python benchmarks/tune_table.py                                                         # writes from the records

``--commit`` names the code that made the runs. Seeds that are not whole yet are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tune import ALPHAS, HALF, LOSSES, SEEDS, TEMPERATURES, Place
from tune_facts import CLOSE, Row, best_fixed, grid, lag, rows, share
from tune_records import RECORDS, TuneRecords, pack

from tersely.analysis.seeds import FEWEST_SEEDS_OF_A_STEP, SeedMean, over_seeds
from tersely.records import Estimate
from tersely.tune.measured import BASE

RESULT = Path(__file__).parent / "results" / "tune.md"
LEVELS = (44, 40, 37, 35, 34, 33, 32, 31, 30)
"""Tokens at which the two frontiers are compared."""
NEAR = 1.10
"""Tokens of the chosen against those of the best fixed alpha."""
FIXED_RUNS = 2
"""That training may cost as much as."""


def table(header: str, lines: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    columns = header.split(" | ")
    ruler = "|".join("---" if n < left else "---:" for n in range(len(columns)))
    return [f"| {header} |", f"|{ruler}|", *(f"| {' | '.join(line)} |" for line in lines), ""]


def points(value: float) -> str:
    return f"{100 * value:+.2f}"


def row_cells(one: Row) -> list[str]:
    found = ("met" if one.target.startswith("tokens") else "certified") if one.found else "**no**"
    kept = {True: "yes", False: "**no**", None: "-"}[one.kept]
    tokens = f"{one.tokens.value:.1f}"
    if one.tokens.low is not None and one.tokens.high is not None:
        tokens += f" ({one.tokens.low:.1f} to {one.tokens.high:.1f})"
    name = "the base" if one.member == BASE else one.member
    return [str(one.seed), one.target, found, name, tokens, points(one.change), points(one.low), kept]


def is_within(one: Row) -> bool:
    """Whether a length is not exceeded by more than CLOSE."""
    return one.tokens.value <= (1 + CLOSE) * float(one.target.rpartition("-")[2])


def what_came(records: TuneRecords) -> list[str]:
    all_rows = [one for seed in records.seeds for one in rows(records, seed)]
    losses = [f"lose-at-most-{loss}" for loss in LOSSES]
    asked = {name: [one for one in all_rows if one.target == name] for name in losses}
    lengths = [one for one in all_rows if one.target.startswith("tokens")]
    certified = [one for of_it in asked.values() for one in of_it if one.found]
    counted = [
        *([name, share(sum(one.found for one in of_it), len(of_it))] for name, of_it in asked.items()),
        ["of these certificates kept", share(sum(bool(one.kept) for one in certified), len(certified))],
        [f"tokens at most {CLOSE:.0%} above the target", share(sum(map(is_within, lengths)), len(lengths))],
        [f"tokens within {CLOSE:.0%} on either side", share(sum(bool(one.kept) for one in lengths), len(lengths))],
    ]
    header = "seed | target | | chosen | tokens | change, points | at worst | kept"
    return [
        *table("promise | bases (95 %)", counted),
        *table(header, [row_cells(one) for one in all_rows], left=4),
    ]


def rivals(records: TuneRecords) -> list[str]:
    lines = []
    for seed in records.seeds:
        chosen = {one.target: one for one in rows(records, seed)}
        for loss in LOSSES if grid(records, seed, TEMPERATURES[0]) else ():
            one = chosen[f"lose-at-most-{loss}"]
            cells = [str(seed), str(loss), f"{one.tokens.value:.1f}"]
            for surely in (False, True):
                rival = best_fixed(records, seed, loss / 100, surely)
                cells.append("none" if rival is None else f"{rival.tokens:.1f} (alpha {rival.alpha:g})")
                if not surely:
                    cells.append("-" if rival is None else f"{one.tokens.value / rival.tokens:.2f}")
            lines.append(cells)
    near = sum(float(cells[4]) <= NEAR for cells in lines if cells[4] != "-")
    header = "seed | X | tokens chosen | fewest at a fixed alpha that keeps X by its estimate | ratio | by its bound"
    return [f"Within {NEAR - 1:.0%} of it: {share(near, len(lines))}.", "", *table(header, lines)]


def frontiers(records: TuneRecords) -> list[str]:
    header = "tokens | " + " | ".join(f"T {temperature:g}, mean | seeds" for temperature in TEMPERATURES)
    lines = []
    for name, levels in [*((str(level), (level,)) for level in LEVELS), ("all of them", LEVELS)]:
        cells = [name]
        for temperature in TEMPERATURES:
            found = [lag(records, seed, temperature, levels) for seed in records.seeds]
            cells += _over(found)
        lines.append(cells)
    return table(header, lines)


def _over(found: Sequence[Estimate | None]) -> list[str]:
    """(mean with its interval, each seed's value)."""
    joint = over_seeds(found, fewest=FEWEST_SEEDS_OF_A_STEP)
    if joint is None:
        return ["-", "-"]
    ends = "" if joint.low is None or joint.high is None else f" ({points(joint.low)} to {points(joint.high)})"
    values = joint.seeds if isinstance(joint, SeedMean) else (joint.value,)
    return [points(joint.value) + ends, ", ".join(map(points, values))]


def costs(records: TuneRecords) -> list[str]:
    lines = []
    for seed in records.seeds:
        about = records.of_seed(seed)
        cost, fixed = about["cost"], list(about["fixed"].values())
        training, pace = cost["training"], cost["training"]["sampling_us_per_token"] / 1e6
        chosen_by = cost["screening"] + cost["mixes"]
        cells = [str(seed), str(training["steps"]), thousands(training["tokens"]), f"{training['seconds']:.0f}"]
        for key in ("tokens", "seconds"):
            usual = FIXED_RUNS * float(np.mean([one[key] for one in fixed])) if fixed else None
            cells.append("-" if usual is None else f"{training[key] / usual:.2f}")
        for tokens in (chosen_by, cost["test"], cost["last_word"]):
            cells.append(f"{thousands(tokens)} ({tokens * pace:.0f})")
        lines.append(cells)
    header = (
        "seed | steps | training: tokens, thousands | seconds | of 2 fixed runs, tokens | seconds | choosing | test "
        "| last word"
    )
    return table(header, lines)


def thousands(tokens: float) -> str:
    return f"{tokens / 1000:,.0f}"


def page(records: TuneRecords) -> str:
    about = records.about
    return "\n".join(
        [
            "# What `tersely tune` promises, kept or not",
            "",
            f"Embedded reasoner, seeds {', '.join(map(str, records.seeds))}; code {about['commit']}; "
            f"{about['machine']}. Commands: `python benchmarks/tune.py`, `python benchmarks/tune_table.py`. One run a "
            "base, steered for a loss of at most 1 point; every other target is a choice among its checkpoints. All of "
            "it on further problems that no part of tune saw, 2 responses each, temperature 0.6, paired with the base.",
            "",
            "## Promises",
            "",
            "A base on which nothing was certified counts as a failure. *Kept*: the change on the further problems is "
            f"no worse than was promised; for a length, the tokens lie within {CLOSE:.0%} of it. A length takes the "
            "longest member that needs at most so many tokens on 1,200 problems of the test, and a shorter one where "
            "that is surely the more accurate: it then lies far below.",
            "",
            *what_came(records),
            "## Against the best fixed alpha",
            "",
            f"Runs at alpha {', '.join(f'{alpha:g}' for alpha in ALPHAS)}, 60 steps each. The best of them is picked "
            "by the very problems that it is then counted on, which favours it.",
            "",
            *rivals(records),
            "## One run against separately trained ones",
            "",
            "Accuracy of the checkpoints that screening left on the frontier, minus that of the fixed alphas at the "
            f"same tokens (both interpolated), points, on {HALF:,} further problems; 95 %, over seeds and problems "
            f"where at least {FEWEST_SEEDS_OF_A_STEP} seeds reach that length.",
            "",
            *frontiers(records),
            "## What it costs",
            "",
            "Tokens sampled, in thousands; in brackets CPU seconds at the run's own sampling speed. Choosing is "
            "screening and weights in between; the test serves all targets of a base. Seconds of training are its "
            "tokens at the median pace of its steps.",
            "",
            *costs(records),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=None, help="of benchmarks/tune.py: to pack it first")
    parser.add_argument("--bases", type=Path, default=None, help="as it was given there")
    parser.add_argument("--commit", default=None)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--result", type=Path, default=RESULT)
    args = parser.parse_args()
    if args.out is not None:
        if args.commit is None:
            raise SystemExit("say with --commit which code made the runs")
        print("seeds:", *pack([Place(args.out, seed, args.bases) for seed in SEEDS], args.records, args.commit))
    args.result.write_text(page(TuneRecords(args.records)), encoding="utf-8")
    print(args.result.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
