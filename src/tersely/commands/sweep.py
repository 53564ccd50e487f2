"""`tersely sweep`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb, command_line, message_of
from tersely.errors import UserError
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.pipelines.selection import Selection
    from tersely.pipelines.variants import RunPlan


def add_sweep(verbs: Any) -> None:
    what = "objectives x alphas x seeds x settings from one base, and the page that compares them"
    p = add_verb(verbs, "sweep", run_sweep, what)
    p.add_argument("--model", required=True, help="base to train from: folder, run folder or hub id")
    p.add_argument("--task", default="arithmetic", help="problems to train on (default arithmetic)")
    p.add_argument("--held-out", default=None, help="problems to evaluate on (default: those of the embedded task)")
    p.add_argument("--out", type=Path, required=True, help="folder for the runs and the page")
    p.add_argument("--recipe", default=None, help="what all runs share (default: an embedded task's own)")
    p.add_argument("--objectives", default=None, metavar="NAME,..", help="what is rewarded (default: the recipe's)")
    p.add_argument("--alphas", default=None, metavar="A,..", help="for objectives that have one (default: its usual)")
    p.add_argument("--seeds", default="0", metavar="S,..", help="of every random choice (default 0)")
    p.add_argument(
        "--vary", action="append", default=[], metavar="KEY=V,..", help="a setting by its full name; repeatable"
    )
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, for all runs")
    p.add_argument(
        "--set-for", action="append", default=[], metavar="NAME:KEY=VALUE", help="any setting, for one objective's runs"
    )
    p.add_argument("--size", type=int, default=None, help="held-out problems (default: all; 600 of the embedded task)")
    p.add_argument("--k", type=int, default=2, help="responses to each held-out problem (default 2)")
    p.add_argument("--jobs", type=int, default=None, help="runs side by side (default: what this machine can hold)")


def run_sweep(args: argparse.Namespace) -> int:
    from tersely.page.render import COMPARE_MARKDOWN
    from tersely.pipelines.sweep import sweep

    plan = plan_from(args)
    found = sweep(_selection(args, plan), plan, jobs=args.jobs, command=command_line())
    say(message_of(found.page.with_name(COMPARE_MARKDOWN)))
    if found.serve is not None:
        say(f"\nall of them from one server, chosen by the model that a request names:\n{found.serve}")
    say(f"the page: {found.page}")
    return 0


def plan_from(args: argparse.Namespace) -> RunPlan:
    """What all runs share, by the options that `tersely sweep` and `tersely ablate` both have."""
    from tersely.pipelines.variants import plan_of

    for name in ("size", "k", "jobs"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError(f"--{name} is {value}: it must be at least 1")
    return plan_of(
        args.model, args.task, args.out, held_out=args.held_out, recipe=args.recipe, size=args.size, k=args.k,
        settings=args.set, alpha=getattr(args, "alpha", None), seed=getattr(args, "seed", None),
    )  # fmt: skip


def _selection(args: argparse.Namespace, plan: RunPlan) -> Selection:
    from tersely.pipelines.selection import Selection, Vary, by_objective, numbers

    named = args.objectives
    objectives = plan.common_config.objective.method if named is None else named
    return Selection(
        objectives=tuple(name.strip() for name in objectives.split(",")),
        alphas=() if args.alphas is None else tuple(numbers("--alphas", args.alphas, float)),
        seeds=tuple(numbers("--seeds", args.seeds, int)),
        vary=tuple(map(Vary.read, args.vary)),
        own=by_objective(args.set_for),
    )
