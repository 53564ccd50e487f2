"""What one would do while decoding instead of training, or beside it: budgets, a brake, bans, on the embedded task.

    python benchmarks/decoding.py --runs runs/compare --out runs/decoding --commit COMMIT

``--runs``: what benchmarks/compare.py made, of which the base and the family must be evaluated; they are copied, and
nothing is written there. Resumable: run it again and finished work is left as it is. It leaves the page of the first
seed (docs/results/decoding), the records of every point (benchmarks/records/decoding) and its table, which
benchmarks/published.py fills (benchmarks/results/decoding.md). ``--commit`` names the code that made them.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import compare
from asked import FAMILY
from mixes import is_ready
from pack import finished
from packed import Records, write_about, write_responses
from published import DECODING, RECORDS
from rich.console import Console

from tersely.errors import TerselyError
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own
from tersely.stop import Stopped, StopRequest

BUDGETS, MARGINS = (16, 32, 48, 64, 96, 128), ("0.1", "1", "2", "3", "4")
CHECKS = "wait,let,alternatively"
"""Words with which the embedded reasoner begins a check."""
BASE = (*(f"budget:{n}" for n in BUDGETS), *(f"brake:any:{m}" for m in MARGINS), "nowait", f"nowait:{CHECKS}")
TRAINED = {
    "alpha-0": ("budget:32", "budget:48", "budget:64", "brake:any:1", "brake:any:2"),
    "alpha-0.2": ("budget:24", "budget:32", "budget:48", "brake:any:1", "brake:any:2"),
}
ASKED = ("--task", "arithmetic", "--size", "1200", "--k", "2", "--max-new-tokens", "320", "--template", "question")
"""As the family was, so that all of it pairs."""
PAGE = Path(__file__).parents[1] / "docs" / "results" / "decoding"


def copied(runs: Path, out: Path, seed: int) -> None:
    """The base and the family of a seed, as they were trained and evaluated."""
    for name in ("base", *FAMILY):
        here, there = out / f"seed-{seed}" / name, runs / f"seed-{seed}" / name
        if not here.exists():
            shutil.rmtree(part := here.with_name(f".{name}.part"), ignore_errors=True)
            shutil.copytree(there, part, ignore=shutil.ignore_patterns("arithmetic@*", ".lock"))
            part.rename(here)


def commands(out: Path, seed: int) -> Iterator[Command]:
    """One for each model."""
    for name, points in {"base": BASE, **TRAINED}.items():
        run = out / f"seed-{seed}" / name
        options = [word for point in points for word in ("--decoding", point)]
        words = ("evaluate", str(run), *ASKED, "--threads", "1", *options)
        yield Command(f"{name} seed {seed}", words, run / "none.jsonl")


def page(out: Path) -> Command:
    """Of one seed, which has intervals."""
    folder = out / f"seed-{compare.SEEDS[0]}"
    models = [str(folder / name) for name in FAMILY]
    # The copies were trained from the original of their base, which may lie there still.
    words = ("compare", *models, "--base", str(folder / "base"), "--out", str(out / "page"))
    return Command("page", words, out / "none.jsonl")


def pack(out: Path, seeds: Sequence[int], made_by: str, where: Path = DECODING) -> None:
    """The points; problems have their numbers of the comparison's records, where the models as they are stand too."""
    found = {seed: [one for one in finished(out / f"seed-{seed}") if "@" in one[0]] for seed in seeds}
    held = {seed: [(name, one.responses()) for name, one in points] for seed, points in found.items()}
    write_responses(where, held, Records(RECORDS).numbers)
    made = [command.text for seed in seeds for command in commands(Path("runs/decoding"), seed)]
    write_about(where, made_by, made, found[seeds[0]][0][1].versions)


def publish(out: Path, where: Path = PAGE) -> None:
    """The page's text and its first figure."""
    (where / "figures").mkdir(parents=True, exist_ok=True)
    for name in ("figures/plane_arithmetic.png",):
        shutil.copyfile(out / "page" / name, where / name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"))
    parser.add_argument("--out", type=Path, default=Path("runs/decoding"))
    parser.add_argument("--commit", required=True)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    require_own(args.out, "this benchmark")
    seeds = [seed for seed in compare.SEEDS if is_ready(args.runs, seed)]
    if not seeds:
        raise TerselyError(f"no seed in {args.runs} has its base and family evaluated: run benchmarks/compare.py first")
    with StopRequest() as stop:
        runner = Runner(args.out / "logs", Console(stderr=True), stop)
        for seed in seeds:
            copied(args.runs, args.out, seed)
        runner.run([CommandChain((command,)) for seed in seeds for command in commands(args.out, seed)], args.jobs)
        runner.run([CommandChain((page(args.out),))], 1)
    pack(args.out, seeds, args.commit)
    publish(args.out)


if __name__ == "__main__":
    try:
        main()
    except (Stopped, TerselyError) as error:
        raise SystemExit(f"{error}") from error
