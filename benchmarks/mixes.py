"""Do weights between two models lie on the frontier? Between base and alpha 0.4, and between alpha 0 and alpha 0.4.

    python benchmarks/mixes.py --runs runs/compare --out runs/mixes          # and its table into benchmarks/results

``--runs``: what benchmarks/compare.py made, of which the base and the family must be evaluated; seeds that are not
there yet are left out, and nothing is written there. Resumable: run it again and finished work is left as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from tersely.analysis.paired import shared
from tersely.errors import TerselyError
from tersely.evaluation.records import read_responses
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own
from tersely.records import EvalRecord
from tersely.stop import Stopped, StopRequest

SEEDS = (0, 1, 2)
FAMILY = ("alpha-0", "alpha-0.05", "alpha-0.1", "alpha-0.2", "alpha-0.4")
ENDS = (("base", "alpha-0.4"), ("alpha-0", "alpha-0.4"))
WEIGHTS = (0.25, 0.5, 0.75)
SIZE, K = 600, 2
RESULT = Path(__file__).parent / "results" / "mixes.md"


@dataclass(frozen=True, slots=True)
class Spot:
    """Of one model, on the same problems as all others."""

    tokens: float
    accuracy: float
    """In percent."""

    @classmethod
    def of(cls, records: Sequence[EvalRecord]) -> Spot:
        count = len(records)
        return cls(sum(r.tokens for r in records) / count, 100 * sum(r.correct for r in records) / count)


def mix_name(first: str, second: str, weight: float) -> str:
    """As ``tune.members.Blend`` calls it."""
    parts = sorted({first: 1 - weight, second: weight}.items())
    return "mix-" + "-".join(f"{share:.4f}-{name}" for name, share in parts)


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


def spots(runs: Path, out: Path, seed: int) -> dict[str, Spot]:
    """Every model of a seed, on the problems that the mixes answered."""
    names = [mix_name(a, b, weight) for a, b in ENDS for weight in WEIGHTS]
    mixed = {name: read_responses(out / f"seed-{seed}" / name / "arithmetic") for name in names}
    asked = next(iter(mixed.values()))
    given = {n: read_responses(runs / f"seed-{seed}" / n / "evaluation" / "arithmetic") for n in ("base", *FAMILY)}
    found = {name: Spot.of(shared(records, asked)) for name, records in given.items()}
    return found | {name: Spot.of(records) for name, records in mixed.items()}


def off_the_line(spot: Spot, line: Sequence[Spot]) -> float | None:
    """Points of accuracy above the straight lines between neighbours of the family; None outside of its lengths."""
    for a, b in pairwise(sorted(line, key=lambda one: one.tokens)):
        if a.tokens <= spot.tokens <= b.tokens:
            share = (spot.tokens - a.tokens) / (b.tokens - a.tokens) if b.tokens > a.tokens else 0.0
            return spot.accuracy - (a.accuracy + share * (b.accuracy - a.accuracy))
    return None


def row(title: str, name: str, found: Sequence[dict[str, Spot]]) -> str:
    tokens = ", ".join(f"{one[name].tokens:.1f}" for one in found)
    accuracy = ", ".join(f"{one[name].accuracy:.2f}" for one in found)
    gaps = []
    for one in found:
        gap = None if name in FAMILY else off_the_line(one[name], [one[member] for member in FAMILY])
        gaps.append("–" if gap is None else f"{gap:+.2f}")
    return f"| {title} | {tokens} | {accuracy} | {', '.join(gaps)} |"


def page(runs: Path, out: Path, seeds: Sequence[int]) -> str:
    found = [spots(runs, out, seed) for seed in seeds]
    rows = [row(name.replace("alpha-", "alpha "), name, found) for name in ("base", *FAMILY)]
    for a, b in ENDS:
        ends = [name.replace("alpha-", "alpha ") for name in (a, b)]
        rows += [row(f"{1 - w:g} {ends[0]} + {w:g} {ends[1]}", mix_name(a, b, w), found) for w in WEIGHTS]
    return "\n".join(
        [
            "# Weights between two models",
            "",
            f"{date.today()}, embedded reasoner, seeds {', '.join(map(str, seeds))} of benchmarks/compare.py, values "
            f"in this order. Command: `python benchmarks/mixes.py`. {SIZE} problems x {K}, temperature 0.6, all "
            "models on the same problems. The last column is the accuracy above the straight lines between "
            "neighbouring runs of the family at the same tokens; a dash where the family has no such lengths.",
            "",
            "| weights | tokens | accuracy, % | above the family, points |",
            "|---|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"))
    parser.add_argument("--out", type=Path, default=Path("runs/mixes"))
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    require_own(args.out, "this benchmark")
    seeds = [seed for seed in SEEDS if is_ready(args.runs, seed)]
    if not seeds:
        raise TerselyError(f"no seed in {args.runs} has its base and family evaluated: run benchmarks/compare.py first")
    with StopRequest() as stop:
        runner = Runner(args.out / "logs", Console(stderr=True), stop)
        runner.run([CommandChain((command(args.runs, args.out, seed),)) for seed in seeds], args.jobs)
    RESULT.write_text(page(args.runs, args.out, seeds), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (Stopped, TerselyError) as error:
        raise SystemExit(f"{error}") from error
