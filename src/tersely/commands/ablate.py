"""`tersely ablate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb
from tersely.errors import UserError
from tersely.terminal import say

POPULATION = "population"
NAMES = "normalize, averaging, kl, n, rounds, or population (exact, nothing is trained)"


def add_ablate(verbs: Any) -> None:
    p = add_verb(verbs, "ablate", run_ablate, "runs that differ in one thing alone, and a page that compares them")
    p.add_argument("name", metavar="NAME", help=NAMES)
    p.add_argument("--model", default=None, help="base to train from: folder, run folder or hub id")
    p.add_argument("--task", default="arithmetic", help="problems to train on (default arithmetic)")
    p.add_argument("--held-out", default=None, help="problems to evaluate on (default: those of the embedded task)")
    p.add_argument("--out", type=Path, default=None, help="folder for the runs and the page")
    p.add_argument("--alpha", type=float, default=None, help="default: the one that the question is usually asked at")
    p.add_argument("--recipe", default=None, help="what all runs share (default tiny for the embedded task)")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, for all runs")
    p.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    p.add_argument("--size", type=int, default=None, help="held-out problems (default: all; 600 of the embedded task)")
    p.add_argument("--k", type=int, default=2, help="responses to each held-out problem (default 2)")
    p.add_argument("--jobs", type=int, default=None, help="processes side by side (default: cores, at most 2)")


def run_ablate(args: argparse.Namespace) -> int:
    if args.name == POPULATION:
        from tersely.pipelines.ablate import print_population

        print_population()
        return 0
    from tersely.errors import require_known
    from tersely.pipelines.ablate import ABLATIONS, AblationPlan, ablate
    from tersely.tasks.sources.embedded import EMBEDDED_TASKS

    require_known("ablation", args.name, [*ABLATIONS, POPULATION])
    if args.model is None or args.out is None:
        raise UserError(f"ablate {args.name} trains models: say from which base with --model and where to with --out")
    for name in ("size", "k", "jobs"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError(f"--{name} is {value}: it must be at least 1")
    embedded = args.task in EMBEDDED_TASKS
    if args.held_out is None and not embedded:
        raise UserError(f"{args.task} is what is trained on: name other problems to evaluate on with --held-out")
    plan = AblationPlan(
        model=args.model,
        task=args.task,
        held_out=args.held_out or args.task,
        recipe=args.recipe or ("tiny" if embedded else None),
        alpha=ABLATIONS[args.name].alpha if args.alpha is None else args.alpha,
        seed=args.seed,
        size=args.size or (600 if embedded else None),
        k=args.k,
        settings=tuple(args.set),
        out=args.out,
    )
    say(f"the page: {ablate(args.name, plan, jobs=args.jobs)}")
    return 0
