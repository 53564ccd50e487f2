"""`tersely plan`: memory, time and what stands against a training run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb
from tersely.terminal import say_json

if TYPE_CHECKING:
    from tersely.plan.sample import LengthSample
from tersely.commands.settings import add_training_options, training_config


def add_plan(verbs: Any) -> None:
    p = add_verb(verbs, "plan", run_plan, "memory, time and what stands against a training run, before its first step")
    add_training_options(p)
    p.add_argument("--run", type=Path, default=None, help="compare with what this training run has measured, instead")
    p.add_argument("--sample", type=int, default=None, metavar="N", help="load the model and answer N problems once")
    p.add_argument("--mean-length", type=float, default=None, help="mean response in tokens under the cap")
    p.add_argument("--profile", type=Path, default=None, help="result of `tersely profile` to take lengths from")
    p.add_argument("--gpu", default=None, metavar="NAME", help="plan for this GPU: h100, a100-80, 4090, ...")
    p.add_argument("--gpu-memory", type=float, default=None, metavar="GB", help="plan for a GPU of this size")
    p.add_argument("--machine", type=Path, default=None, metavar="FILE.json", help="measured ceilings of the GPU")
    p.add_argument("--gpus", type=int, default=1, help="GPUs to share the work (default 1)")
    p.add_argument("--json", action="store_true", help="print JSON")


def run_plan(args: argparse.Namespace) -> int:
    import json

    from tersely.plan.run import PlanInputs, make_plan
    from tersely.plan.table import print_plan

    if args.run:
        return _compare(args)
    config, sample = training_config(args), _sample(args)
    inputs = PlanInputs(
        args.mean_length,
        args.profile,
        args.gpu_memory,
        args.machine,
        args.gpu,
        args.gpus,
        sample.profile() if sample else None,
    )
    plan = make_plan(config, inputs)
    if sample:
        plan.notes.insert(0, sample.sentence())
    if args.json:
        say_json(json.dumps(plan.to_json(), indent=1, allow_nan=False))
    else:
        print_plan(plan)
    return 2 if plan.refusals else 0


def _compare(args: argparse.Namespace) -> int:
    import json

    from tersely.plan.against_run import compare_with_run
    from tersely.plan.table import print_comparison
    from tersely.plan.time import read_machine

    found = compare_with_run(args.run, read_machine(args.machine) if args.machine else None, args.gpus)
    if args.json:
        say_json(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        print_comparison(found)
    return 0


def _sample(args: argparse.Namespace) -> LengthSample | None:
    if args.sample is None:
        return None
    from tersely.display import make_display
    from tersely.learn.probe import sample_base

    with make_display("plan") as display:
        return sample_base(training_config(args), args.sample, display)
