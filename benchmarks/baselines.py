"""The trained baselines of the embedded task over several seeds: samples once, every method at three learning rates.

    python benchmarks/baselines.py --out runs/baselines                # makes missing bases too
    python benchmarks/baselines.py --out runs/baselines --search       # learning rates, on a seed apart

Resumable: run it again and finished work is recognised. ``chains`` is what another driver needs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

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
    "dpo": ("3e-5", "1e-4", "3e-4"),
    "o1-pruner": ("3e-4", "1e-3", "3e-3"),
}
SETTINGS = {
    "sft": ("tuning.batch=32",),
    "dpo": ("tuning.batch=32", "tuning.token_budget=4096"),
    "o1-pruner": ("tuning.batch=128",),
}
CAP = 320


def samples(folder: Path, seed: int) -> Command:
    arguments = ["baseline", "samples", "--model", str(folder / "base"), "--task", "arithmetic", "--recipe", "tiny"]
    arguments += ["--train-size", str(PROMPTS), "--seed", str(seed), "--out", str(folder / "samples")]
    return Command("samples", tuple(arguments), folder / "samples" / "groups.jsonl", PROMPTS)


def train(folder: Path, method: str, rate: str, seed: int) -> Command:
    run = folder / f"{method}-{rate}"
    arguments = ["baseline", method, "--samples", str(folder / "samples"), "--recipe", "tiny"]
    arguments += ["--learning-rate", rate, "--seed", str(seed), "--out", str(run)]
    arguments += [word for setting in SETTINGS[method] for word in ("--set", setting)]
    return Command(f"train {run.name}", tuple(arguments), run / "journal.jsonl")


def evaluate(run: Path, task: str = "arithmetic", size: int | None = 600) -> Command:
    arguments = ["evaluate", str(run), "--task", task, "--max-new-tokens", str(CAP), "--threads", "1"]
    arguments += ["--size", str(size)] if size else []
    log = run / "evaluation" / Path(task).stem / "responses.jsonl"
    return Command(f"evaluate {run.name}", tuple(arguments), log, size)


def chains(folder: Path, seed: int, measure: Callable[[Path], Command] = evaluate) -> Iterator[CommandChain]:
    """Training and evaluation of every method and rate; the samples must be there."""
    for method, rates in RATES.items():
        for rate in rates:
            yield CommandChain((train(folder, method, rate, seed), measure(folder / f"{method}-{rate}")))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    args = parser.parse_args()
    require_own(args.out, "this benchmark")
    seeds = (SEARCH_SEED,) if args.search else SEEDS
    task, size = (str(search_task(args.out)), None) if args.search else ("arithmetic", 600)
    for seed in seeds:
        folder = args.out / f"seed-{seed}"
        base = Command("base", ("base", "--out", str(folder / "base"), "--seed", str(seed)), folder / "none.jsonl")
        with StopRequest() as stop:
            runner = Runner(args.out / "logs" / str(seed), Console(stderr=True), stop)
            (args.out / "logs" / str(seed)).mkdir(parents=True, exist_ok=True)
            runner.run([CommandChain((base, samples(folder, seed), evaluate(folder / "base", task, size)))], 1)
            runner.run(list(chains(folder, seed, lambda run: evaluate(run, task, size))), args.jobs)
        runs = [folder / "base", *(folder / f"{m}-{r}" for m, rates in RATES.items() for r in rates)]
        print_table([(run.name, run / "evaluation" / Path(task).stem) for run in runs])


def search_task(out: Path) -> Path:
    """Problems of the gate's split, which nothing is trained on or published of."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "search.jsonl"
    rows = [
        {"problem": p.question, "answer": p.answer, "kind": str(p.kind), "difficulty": p.difficulty}
        for p in arithmetic_problems("gate", 600, SEARCH_SEED)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
