"""`tersely distill`: a model taught by demonstrations."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.baseline_settings import add_baseline_options, baseline_settings
from tersely.commands.verb import add_verb, paste
from tersely.errors import UserError
from tersely.terminal import say


def add_distill(verbs: Any) -> None:
    text = "teach a model to reason at length by demonstrations, the starting point of `tersely train`"
    p = add_verb(verbs, "distill", run_distill, text)
    p.add_argument("--out", type=Path, required=True, help="run folder to make or go on with")
    p.add_argument("--student", required=True, help="folder or hub id of the model to teach")
    teacher = p.add_mutually_exclusive_group(required=True)
    teacher.add_argument("--teacher", default=None, help="model whose correct responses are the demonstrations")
    teacher.add_argument(
        "--demonstrations", type=Path, default=None, help="JSONL file with problem, answer and response a line"
    )
    p.add_argument(
        "--task",
        default=None,
        help="problems for the teacher: an embedded task such as arithmetic, a named task, or a JSONL file",
    )
    p.add_argument("--n", type=int, default=None, help="responses a problem from the teacher (default 8)")
    p.add_argument("--train-size", type=int, default=None, help="problems (default: all of the task's)")
    p.add_argument("--samples", type=Path, default=None, help="the teacher's samples made before")
    add_baseline_options(p)


def run_distill(args: argparse.Namespace) -> int:
    from tersely.baselines.distill import DistillConfig, distill
    from tersely.baselines.settings import resolve_baseline
    from tersely.display import make_display

    if args.teacher and not args.task:
        raise UserError("--teacher needs --task: the problems that it shall answer")
    if args.demonstrations and (args.task or args.n or args.samples):
        raise UserError("--demonstrations brings its own problems: leave --task, --n and --samples out")
    args.model, args.task = args.teacher or args.student, args.task or str(args.demonstrations)
    samples, args.samples = args.samples, None
    config = resolve_baseline("distill", baseline_settings(args))
    with make_display("distill") as display:
        distill(DistillConfig(args.student, args.teacher, args.demonstrations, config), args.out, samples, display)
    following = paste("train", "--model", args.out, "--task", "TASK", "--alpha", "0.1", "--out", "RUN")
    say(f"taught: {args.out} (next: {following})")
    return 0
