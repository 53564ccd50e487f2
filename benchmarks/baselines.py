"""The trained baselines of the embedded task over several seeds: samples once, every method at three learning rates.

    python benchmarks/baselines.py --out runs/baselines                # makes missing bases too
    python benchmarks/baselines.py --out runs/baselines --search       # learning rates, on a seed apart

Resumable: run it again and finished work is recognised. ``chains`` is what another driver needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from driving import write_task
from rich.console import Console

from tersely.evaluation.table import print_table
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.stop import StopRequest
from tersely.tasks.sources.arithmetic import arithmetic_problems

SEEDS = (0, 1, 2)
SEARCH_SEED = 7
"""Of the base, the samples and the problems on which learning rates were looked for: in no published comparison."""
PROMPTS = 1920
"""As many as RL sees in its 60 iterations."""
RATES = {
    "sft": ("3e-4", "1e-3", "3e-3"),
    "iterated-sft": ("3e-4",),
    "dpo": ("3e-5", "1e-4", "3e-4"),
    "o1-pruner": ("3e-4", "1e-3", "3e-3"),
}
SEARCHED = {**RATES, "iterated-sft": ("3e-4", "1e-3", "3e-3")}
"""Looked at on the seed apart; of iterated SFT the best one goes into the comparison (docs/LOG.md)."""
SETTINGS = {
    "sft": ("tuning.batch=32",),
    # Its rounds are short: warming up in each would leave a tenth of the steps without effect.
    "iterated-sft": ("tuning.batch=32", "tuning.warmup_share=0"),
    "dpo": ("tuning.batch=32", "tuning.token_budget=4096"),
    "o1-pruner": ("tuning.batch=128",),
}
CAP = 320
ROUNDS = 6
"""Of iterated SFT; what each of them leads to is measured too."""
USUAL_BUDGET = ("--tokens", "660000")
"""About what RL samples with alpha 0.2."""


def samples(folder: Path, seed: int) -> Command:
    arguments = ["baseline", "samples", *drawing(folder), "--recipe", "tiny", "--seed", str(seed)]
    arguments += ["--out", str(folder / "samples")]
    return Command("samples", tuple(arguments), folder / "samples" / "groups.jsonl", PROMPTS)


def drawing(folder: Path) -> list[str]:
    """Model and problems, of the samples and of iterated SFT."""
    return ["--model", str(folder / "base"), "--task", "arithmetic", "--train-size", str(PROMPTS)]


def train(folder: Path, method: str, rate: str, seed: int, budget: Sequence[str]) -> Command:
    run = folder / f"{method}-{rate}"
    rounds = [*drawing(folder), *budget, "--rounds", str(ROUNDS)]
    kept = rounds if method == "iterated-sft" else ["--samples", str(folder / "samples")]
    arguments = ["baseline", method, *kept, "--recipe", "tiny"]
    arguments += ["--learning-rate", rate, "--seed", str(seed), "--out", str(run)]
    arguments += [word for setting in SETTINGS[method] for word in ("--set", setting)]
    return Command(f"train {run.name}", tuple(arguments), run / "journal.jsonl")


def evaluate(run: Path, task: str = "arithmetic", size: int | None = 600) -> Command:
    arguments = ["evaluate", str(run), "--task", task, "--max-new-tokens", str(CAP), "--threads", "1"]
    arguments += ["--size", str(size)] if size else []
    log = run / "evaluation" / Path(task).stem / "responses.jsonl"
    return Command(f"evaluate {run.name}", tuple(arguments), log, size)


def chains(
    folder: Path,
    seed: int,
    measure: Callable[[Path], Command] = evaluate,
    budget: Sequence[str] = USUAL_BUDGET,
    rates: Mapping[str, Sequence[str]] = RATES,
) -> Iterator[CommandChain]:
    """Training and evaluation of every method and rate; the samples must be there. ``budget``: of iterated SFT."""
    for method, some in rates.items():
        for rate in some:
            run = folder / f"{method}-{rate}"
            rounds = [measure(run / f"round-{n}") for n in range(1, ROUNDS)] if method == "iterated-sft" else []
            yield CommandChain((train(folder, method, rate, seed, budget), *rounds, measure(run)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    args = parser.parse_args()
    require_own(args.out, "this benchmark")
    seeds, rates = ((SEARCH_SEED,), SEARCHED) if args.search else (SEEDS, RATES)
    task, size = (str(search_task(args.out)), None) if args.search else ("arithmetic", 600)
    for seed in seeds:
        folder = args.out / f"seed-{seed}"
        base = Command("base", ("base", "--out", str(folder / "base"), "--seed", str(seed)), folder / "none.jsonl")
        with StopRequest() as stop:
            runner = Runner(args.out / "logs" / str(seed), Console(stderr=True), stop)
            (args.out / "logs" / str(seed)).mkdir(parents=True, exist_ok=True)
            runner.run([CommandChain((base, samples(folder, seed), evaluate(folder / "base", task, size)))], 1)
            chained = chains(folder, seed, lambda run: evaluate(run, task, size), rates=rates)
            runner.run(list(chained), args.jobs)
        runs = [folder / "base", *(folder / f"{m}-{rate}" for m, some in rates.items() for rate in some)]
        print_table([(run.name, run / "evaluation" / Path(task).stem) for run in runs])


def search_task(out: Path) -> Path:
    """Problems of the gate's split, which nothing is trained on or published of."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "search.jsonl"
    write_task(path, arithmetic_problems("gate", 600, SEARCH_SEED))
    return path


if __name__ == "__main__":
    main()
