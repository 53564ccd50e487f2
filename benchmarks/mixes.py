"""Do weights between two models lie on the frontier? Between base and alpha 0.4, and between alpha 0 and alpha 0.4.

    python benchmarks/mixes.py --runs runs/compare --out runs/mixes --commit COMMIT    # records and table
    python benchmarks/mixes.py --table                                                  # the table of the records

``--runs``: what benchmarks/compare.py made, of which the base and the family must be evaluated; seeds that are not
there yet are left out, and nothing is written there. Resumable: run it again and finished work is left as it is.
``--commit`` names the code that made them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from packed import Records, write_about, write_responses
from published import RECORDS
from rich.console import Console
from tune_facts import at_tokens

from tersely.analysis.intervals import clustered_mean, clustered_rate, paired_difference
from tersely.errors import TerselyError
from tersely.evaluation.records import read_evaluation, read_responses
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own
from tersely.records import Estimate
from tersely.stop import Stopped, StopRequest
from tersely.table import show
from tersely.tune.measured import Measured

SEEDS = (0, 1, 2)
FAMILY = ("alpha-0", "alpha-0.05", "alpha-0.1", "alpha-0.2", "alpha-0.4")
ENDS = (("base", "alpha-0.4"), ("alpha-0", "alpha-0.4"))
WEIGHTS = (0.25, 0.5, 0.75)
SIZE, K = 600, 2
MIXES = Path(__file__).parent / "records" / "mixes"
RESULT = Path(__file__).parent / "results" / "mixes.md"


def mix_name(first: str, second: str, weight: float) -> str:
    """As ``tune.members.Blend`` calls it."""
    parts = sorted({first: 1 - weight, second: weight}.items())
    return "mix-" + "-".join(f"{share:.4f}-{name}" for name, share in parts)


def names() -> dict[str, str]:
    """Model -> what the table calls it."""
    models = {name: name.replace("alpha-", "alpha ") for name in ("base", *FAMILY)}
    for a, b in ENDS:
        for weight in WEIGHTS:
            models[mix_name(a, b, weight)] = f"{1 - weight:g} {models[a]} + {weight:g} {models[b]}"
    return models


def command(runs: Path, out: Path, seed: int) -> Command:
    folder = runs / f"seed-{seed}"
    mixes = [("--mix", str(folder / a), str(folder / b), ",".join(f"{w:g}" for w in WEIGHTS)) for a, b in ENDS]
    words = [word for mix in mixes for word in mix]
    asked = ("--task", "arithmetic", "--size", str(SIZE), "--k", str(K), "--out", str(out / f"seed-{seed}"))
    return Command(f"mixes seed {seed}", ("evaluate", *words, *asked), out / "none.jsonl")


def is_ready(runs: Path, seed: int) -> bool:
    """Whether the base and the whole family of a seed were evaluated."""
    places = (runs / f"seed-{seed}" / name / "evaluation" / "arithmetic" for name in ("base", *FAMILY))
    return all((place / "summary.json").is_file() for place in places)


def pack(out: Path, seeds: Sequence[int], commit: str, where: Path = MIXES) -> None:
    """The mixes' responses; those of their ends and of the family stand in the comparison's records."""
    mixed = [name for name in names() if name.startswith("mix-")]
    places = {seed: [(name, out / f"seed-{seed}" / name / "arithmetic") for name in mixed] for seed in seeds}
    held = {seed: [(name, read_responses(place)) for name, place in found] for seed, found in places.items()}
    write_responses(where, held, Records(RECORDS).numbers)
    made = [command(Path("runs/compare"), Path("runs/mixes"), seed).text for seed in seeds]
    write_about(where, commit, made, read_evaluation(places[seeds[0]][0][1]).versions)


# ---- the table


def seeds_of(records: Records) -> list[int]:
    """Those that have all of the table's models."""
    return [seed for seed, runs in sorted(records.seeds.items()) if set(names()) <= set(runs)]


def measured(records: Records, seed: int) -> dict[str, Measured]:
    """Every model of a seed, on the problems that the mixes answered."""
    runs = {name: [one.record for one in records.seeds[seed][name]] for name in names()}
    asked = {record.problem_id for record in runs[mix_name(*ENDS[0], WEIGHTS[0])]}
    order = sorted(asked)
    kept = {name: [record for record in found if record.problem_id in asked] for name, found in runs.items()}
    return {name: Measured.of_records(name, 0, found, order) for name, found in kept.items()}


def above(mix: Measured, family: Sequence[Measured]) -> Estimate | None:
    """Accuracy above the straight lines between neighbours of the family at the mix's own tokens, paired by problem;
    None outside of the family's lengths. The lengths are taken as they were measured."""
    line_P = at_tokens(family, mix.length())
    if line_P is None:
        return None
    before, after = ({str(n): [float(rate)] for n, rate in enumerate(rates_P)} for rates_P in (line_P, mix.rates_P))
    return paired_difference(before, after, rates=True)


def rows(records: Records, seeds: Sequence[int]) -> Iterator[str]:
    found = {seed: measured(records, seed) for seed in seeds}
    for name, title in names().items():
        for seed, models in found.items():
            one = models[name]
            tokens = clustered_mean({str(n): list(of_it) for n, of_it in enumerate(one.tokens_PK)})
            right = clustered_rate({str(n): [float(rate)] for n, rate in enumerate(one.rates_P)})
            gap = above(one, [models[member] for member in FAMILY]) if name.startswith("mix-") else None
            cells = (show(tokens, "tokens"), show(right, "percent"), show(gap, "points"))
            yield f"| {title if seed == seeds[0] else ''} | {seed} | {' | '.join(cells)} |"


def page(records: Records, seeds: Sequence[int]) -> str:
    made = Records(MIXES).about
    return "\n".join(
        [
            "# Weights between two models",
            "",
            f"Commit {made['commit']}, embedded reasoner, seeds {', '.join(map(str, seeds))} of benchmarks/compare.py. "
            f"Command: `python benchmarks/mixes.py --commit {made['commit']}`; computed from "
            "[the records](../records/README.md) by `python benchmarks/mixes.py --table`. "
            f"{SIZE} problems x {K}, temperature 0.6, all models on the same problems; 95 % intervals over problems. "
            "The last column is the accuracy above the straight lines between neighbouring runs of the family at the "
            "same tokens, paired by problem; a dash where the family has no such lengths.",
            "",
            "| weights | seed | tokens | accuracy | above the family |",
            "|---|---:|---:|---:|---:|",
            *rows(records, seeds),
            "",
        ]
    )


def measure(runs: Path, out: Path, jobs: int) -> list[int]:
    """Ask the mixes of every seed that is there; which those are."""
    require_own(out, "this benchmark")
    seeds = [seed for seed in SEEDS if is_ready(runs, seed)]
    if not seeds:
        raise TerselyError(f"no seed in {runs} has its base and family evaluated: run benchmarks/compare.py first")
    with StopRequest() as stop:
        runner = Runner(out / "logs", Console(stderr=True), stop)
        runner.run([CommandChain((command(runs, out, seed),)) for seed in seeds], jobs)
    return seeds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"))
    parser.add_argument("--out", type=Path, default=Path("runs/mixes"))
    parser.add_argument("--jobs", type=int, default=1)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--commit", help="of the code that makes them, for the records")
    what.add_argument("--table", action="store_true", help="of the records that are there")
    args = parser.parse_args()
    if args.commit:
        pack(args.out, measure(args.runs, args.out, args.jobs), args.commit)
    records = Records(RECORDS, MIXES)
    RESULT.write_text(page(records, seeds_of(records)), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (Stopped, TerselyError) as error:
        raise SystemExit(f"{error}") from error
