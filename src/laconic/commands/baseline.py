"""`laconic baseline` and `laconic distill`: the alternatives that the method is compared with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from laconic.commands.verb import add_verb
from laconic.errors import UserError

NAMES = ("samples", "sft", "dpo", "o1-pruner")
SHARED = ("model", "revision", "task", "template", "train_size", "n")
"""Options that samples made before have decided already."""


def add_baseline(verbs: Any) -> None:
    text = "train one of the simple alternatives: sft, dpo or o1-pruner (or draw the samples for them)"
    p = add_verb(verbs, "baseline", run_baseline, text)
    p.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    p.add_argument("--out", type=Path, required=True, help="run folder to make or go on with")
    p.add_argument("--samples", type=Path, default=None, help="samples made before, so that none are drawn")
    p.add_argument("--model", default=None, help="folder or hub id of a causal language model, or a run folder")
    p.add_argument("--task", default=None, help="'arithmetic', a named task, or a JSONL file")
    p.add_argument("--n", type=int, default=None, help="responses a problem (default 8)")
    p.add_argument("--train-size", type=int, default=None, help="problems (default: all of the task's)")
    _common_options(p)


def add_distill(verbs: Any) -> None:
    text = "teach a model to reason at length by demonstrations, the starting point of `laconic train`"
    p = add_verb(verbs, "distill", run_distill, text)
    p.add_argument("--out", type=Path, required=True, help="run folder to make or go on with")
    p.add_argument("--student", required=True, help="folder or hub id of the model to teach")
    teacher = p.add_mutually_exclusive_group(required=True)
    teacher.add_argument("--teacher", default=None, help="model whose correct responses are the demonstrations")
    teacher.add_argument(
        "--demonstrations", type=Path, default=None, help="JSONL file with problem, answer and response a line"
    )
    p.add_argument("--task", default=None, help="problems for the teacher: 'arithmetic', a named task, or a JSONL file")
    p.add_argument("--n", type=int, default=None, help="responses a problem from the teacher (default 8)")
    p.add_argument("--train-size", type=int, default=None, help="problems (default: all of the task's)")
    p.add_argument("--samples", type=Path, default=None, help="the teacher's samples made before")
    _common_options(p)


def _common_options(p: argparse.ArgumentParser) -> None:
    said = "of a hub id (distill: the teacher's, or with --demonstrations the student's)"
    p.add_argument("--revision", default=None, help=said)
    p.add_argument("--recipe", default=None, help="training recipe to take template, sampling and optimizer from")
    p.add_argument("--template", default=None, help="prompt template: question, boxed, paper-raw or plain")
    p.add_argument("--learning-rate", type=float, default=None, help="the paper tried 1e-5, 5e-6 and 2e-6")
    p.add_argument("--epochs", type=int, default=None, help="passes over the examples (default 1)")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, by its full name")


def run_baseline(args: argparse.Namespace) -> int:
    from laconic.baselines.settings import resolve_baseline, resolve_samples

    settings = _settings(args)
    if args.name == "samples":
        if args.samples or args.learning_rate or args.epochs:
            raise UserError("baseline samples only draws: --samples, --learning-rate and --epochs have no meaning here")
        samples_config = resolve_samples(settings)
        _draw(samples_config, args.out)
        print(f"samples: {args.out} (next: laconic baseline sft --samples {args.out} --learning-rate 5e-6 --out RUN)")
        return 0
    config = resolve_baseline(args.name, settings)
    from laconic.baselines.run import run_baseline as run
    from laconic.display import make_display

    with make_display(args.name) as display:
        run(args.name, config, args.out, args.samples, display)
    print(f"trained: {args.out} (next: laconic evaluate {config.model} {args.out} --task {config.task})")
    return 0


def _draw(config: Any, out: Path) -> None:
    from laconic.baselines.samples import draw_samples
    from laconic.display import make_display

    with make_display("samples") as display:
        draw_samples(config, out, display)


def run_distill(args: argparse.Namespace) -> int:
    from laconic.baselines.distill import DistillConfig, distill
    from laconic.baselines.settings import resolve_baseline
    from laconic.display import make_display

    if args.teacher and not args.task:
        raise UserError("--teacher needs --task: the problems that it shall answer")
    if args.demonstrations and (args.task or args.n or args.samples):
        raise UserError("--demonstrations brings its own problems: leave --task, --n and --samples out")
    args.model, args.task = args.teacher or args.student, args.task or str(args.demonstrations)
    samples, args.samples = args.samples, None
    config = resolve_baseline("distill", _settings(args))
    with make_display("distill") as display:
        distill(DistillConfig(args.student, args.teacher, args.demonstrations, config), args.out, samples, display)
    print(f"taught: {args.out} (next: laconic train --model {args.out} --task TASK --alpha 0.1 --out RUN)")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    from laconic.baselines.settings import from_recipe
    from laconic.config import merge, read_recipe, set_key

    if args.samples is not None:
        given = [f"--{name.replace('_', '-')}" for name in SHARED if getattr(args, name, None) is not None]
        if given:
            raise UserError(f"the samples in {args.samples} decide {' and '.join(given)}: leave that out")
    settings = from_recipe(read_recipe(args.recipe)) if args.recipe else {}
    if args.samples is not None:
        from laconic.baselines.run import config_of_samples

        settings = merge(settings, config_of_samples(args.samples))
    for name, section in (("n", "sampling"), ("learning_rate", "tuning"), ("epochs", "tuning")):
        if (value := getattr(args, name)) is not None:
            settings = merge(settings, {section: {name: value}})
    for name in ("model", "revision", "task", "template", "train_size", "seed"):
        if (value := getattr(args, name)) is not None:
            settings[name] = value
    for assignment in args.set:
        set_key(settings, assignment)
    return settings
