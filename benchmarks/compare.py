"""The whole comparison on the embedded task over several seeds: family, baselines and ablations, one page over all.

    python benchmarks/compare.py --out runs/compare --parts ablations     # any of family, baselines, ablations, page
    python benchmarks/compare.py --out runs/compare                       # all of them; writes docs/results/comparison

Resumable: run it again and finished work is recognised.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from laconic.ablate import ABLATIONS, Plan, Variant
from laconic.chain import Chain, Command, Runner, require_own, usual_jobs
from laconic.stop import StopRequest

SEEDS = (0, 1, 2)
ALPHAS = (0.0, 0.05, 0.1, 0.2, 0.4)
SIZE, K, CURVE_SIZE = 1200, 2, 300
KEPT = ("run.checkpoint_every=10", "run.keep=12")
"""All checkpoints of a run, every ten iterations: the training dynamics are drawn from them."""
PARTS = ("family", "ablations", "baselines", "page")


def plan(folder: Path, seed: int, alpha: float) -> Plan:
    return Plan(
        model=str(folder / "base"), task="arithmetic", held_out="arithmetic", recipe="tiny", alpha=alpha, seed=seed,
        size=SIZE, k=K, settings=KEPT, out=folder,
    )  # fmt: skip


def base(folder: Path, seed: int) -> Command:
    arguments = ["base", "--out", str(folder / "base"), "--seed", str(seed)]
    return Command(f"base {seed}", arguments, folder / "base" / "journal.jsonl")


def family(folder: Path, seed: int) -> Iterator[Chain]:
    for alpha in ALPHAS:
        some, variant = plan(folder, seed, alpha), Variant(f"alpha-{alpha:g}")
        train, evaluate = some.train(variant), some.evaluate(folder / variant.name)
        yield Chain([train, evaluate, curve(some, folder / variant.name)])


def curve(some: Plan, run: Path) -> Command:
    """Accuracy and length of every kept checkpoint, on fewer problems: a point of a curve, not a result."""
    command = replace(some, size=CURVE_SIZE, k=1).evaluate(run)
    command.title = f"curve {run.name}"
    command.arguments += ["--all-checkpoints"]
    return command


def ablations(folder: Path, seed: int) -> Iterator[Chain]:
    """Those variants that the family does not hold already."""
    held = {"normalize-none", "averaging-sequence", "kl-reward", "n-8", "round-1"}
    for ablation in ABLATIONS.values():
        some = plan(folder, seed, ablation.alpha)
        for variant in ablation.variants:
            if variant.name in held:
                continue
            first = f"alpha-{ablation.alpha:g}" if variant.after == "round-1" else variant.after
            run = Variant(variant.name, variant.settings, first)
            yield Chain([some.train(run), some.evaluate(folder / run.name)])


def titled(chains: Sequence[Chain], seed: int) -> list[Chain]:
    """Logs of several seeds lie in one folder: their names say which."""
    for chain in chains:
        for command in chain.commands:
            command.title += f" seed {seed}"
    return list(chains)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    args = parser.parse_args()
    require_own(args.out, "this benchmark")
    folders = {seed: args.out / f"seed-{seed}" for seed in SEEDS}
    with StopRequest() as stop:
        runner = Runner(args.out / "logs", Console(stderr=True), stop)
        runner.run([Chain([base(folder, seed)]) for seed, folder in folders.items()], args.jobs)
        for part, make in (("family", family), ("ablations", ablations)):
            if part in args.parts:
                chains = [c for seed, folder in folders.items() for c in titled(list(make(folder, seed)), seed)]
                runner.run(chains, args.jobs)


if __name__ == "__main__":
    main()
