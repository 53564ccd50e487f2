"""The whole comparison on the embedded task over several seeds: family, baselines and ablations, one page over all.

    python benchmarks/compare.py --out runs/compare                       # all of it, and its figure into docs/results
    python benchmarks/compare.py --out runs/compare --parts family page   # any of family, baselines, ablations, page

Resumable: run it again and finished work is left as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import baselines
from publish import replace_page
from rich.console import Console

from tersely.pipelines.ablate import ABLATIONS
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.pipelines.variants import RunPlan, Variant
from tersely.stop import StopRequest

SEEDS = (0, 1, 2)
ALPHAS = (0.0, 0.05, 0.1, 0.2, 0.4)
SIZE, K, CURVE_SIZE = 1200, 2, 300
KEPT = ("run.checkpoint_every=10", "run.keep=12")
"""All checkpoints of a run, every ten iterations: the training dynamics are drawn from them."""
SHOWN = ("figures/plane_arithmetic.png",)
"""Of the page, what README shows; its numbers come from the records (benchmarks/pack.py, benchmarks/published.py)."""
PARTS = ("family", "baselines", "ablations", "page")
RESULTS = Path(__file__).parent.parent / "docs" / "results" / "comparison"


def plan(folder: Path, seed: int, alpha: float) -> RunPlan:
    return RunPlan(
        model=str(folder / "base"), task="arithmetic", held_out="arithmetic", recipe="tiny", alpha=alpha, seed=seed,
        size=SIZE, k=K, settings=KEPT, out=folder,
    )  # fmt: skip


def base(folder: Path, seed: int) -> Command:
    arguments = ["base", "--out", str(folder / "base"), "--seed", str(seed)]
    return Command(f"base {seed}", tuple(arguments), folder / "base" / "journal.jsonl")


def family(folder: Path, seed: int) -> Iterator[CommandChain]:
    for alpha in ALPHAS:
        some, variant = plan(folder, seed, alpha), Variant(f"alpha-{alpha:g}")
        train, evaluate = some.train(variant), some.evaluate(folder / variant.name)
        yield CommandChain((train, evaluate, curve(some, folder / variant.name)))


def curve(some: RunPlan, run: Path) -> Command:
    """Accuracy and length of every kept checkpoint, on fewer problems: a point of a curve, not a result."""
    command = replace(some, size=CURVE_SIZE, k=1).evaluate(run)
    log = run / "evaluation" / f"arithmetic@step-{some.sizes()[1]:06d}" / "responses.jsonl"
    arguments = (*command.arguments, "--all-checkpoints")
    return replace(command, title=f"curve {run.name}", arguments=arguments, log=log)


def ablations(folder: Path, seed: int) -> Iterator[CommandChain]:
    """Those variants that the family does not hold already."""
    held = {"normalize-none", "averaging-sequence", "kl-reward", "n-8", "round-1"}
    for ablation in ABLATIONS.values():
        some = plan(folder, seed, ablation.alpha)
        for variant in ablation.variants:
            if variant.name in held:
                continue
            first = f"alpha-{ablation.alpha:g}" if variant.after == "round-1" else variant.after
            run = Variant(variant.name, variant.settings, first)
            yield CommandChain((some.train(run), some.evaluate(folder / run.name)))


def alternatives(folder: Path, seed: int) -> Iterator[CommandChain]:
    """SFT, DPO and O1-Pruner, three learning rates each, and iterated SFT, which samples as many tokens as RL with
    alpha 0.2; the samples and that run must be there."""
    budget = ("--like", str(folder / "alpha-0.2"))
    return baselines.chains(folder, seed, plan(folder, seed, 0.0).evaluate, budget)


def around(folder: Path, seed: int) -> Iterator[CommandChain]:
    """The base, once more with another seed (the noise floor), and the samples of the baselines."""
    evaluate = plan(folder, seed, 0.0).evaluate(folder / "base")
    again = replace(evaluate, arguments=(*evaluate.arguments, "--repeat"), title=f"{evaluate.title} again")
    yield CommandChain((evaluate, again))
    yield CommandChain((baselines.samples(folder, seed),))


def pending(chains: Iterator[CommandChain], seed: int) -> list[CommandChain]:
    """Chains whose last run is not evaluated yet; their logs say which seed they are of."""
    kept = []
    for chain in chains:
        last = chain.commands[-1].log.parent
        if not (last / "done.json").is_file():
            kept.append(CommandChain(tuple(replace(c, title=f"{c.title} seed {seed}") for c in chain.commands)))
    return kept


def page(out: Path) -> Command:
    runs = sorted(folder for folder in out.glob("seed-*/*") if (folder / "evaluation" / "arithmetic").is_dir())
    arguments = ["compare", *map(str, runs), "--out", str(out / "page")]
    return Command("compare", tuple(arguments), out / "page" / "none.jsonl")


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
        runner.run([CommandChain((base(folder, seed),)) for seed, folder in folders.items()], args.jobs)
        for part, makers in (("family", (around, family)), ("baselines", (alternatives,)), ("ablations", (ablations,))):
            if part in args.parts:
                for make in makers:
                    chains = [chain for seed, folder in folders.items() for chain in pending(make(folder, seed), seed)]
                    runner.run(chains, args.jobs)
        if "page" in args.parts:
            runner.run([CommandChain((page(args.out),))], 1)
            replace_page(args.out / "page", RESULTS, SHOWN)


if __name__ == "__main__":
    main()
