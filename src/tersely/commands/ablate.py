"""`tersely ablate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.sweep import plan_from
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
    p.add_argument("--recipe", default=None, help="what all runs share (default: an embedded task's own)")
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
    from tersely.pipelines.ablate import ABLATIONS, ablate

    require_known("ablation", args.name, [*ABLATIONS, POPULATION])
    if args.model is None or args.out is None:
        raise UserError(f"ablate {args.name} trains models: say from which base with --model and where to with --out")
    if args.alpha is None:
        args.alpha = ABLATIONS[args.name].alpha
    plan = plan_from(args)
    say(f"the page: {ablate(args.name, plan, jobs=args.jobs)}")
    return 0
