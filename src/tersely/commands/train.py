"""`tersely train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb, next_evaluation
from tersely.errors import UserError
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.config import TrainConfig
from tersely.commands.settings import add_training_options, training_config


def add_train(verbs: Any) -> None:
    p = add_verb(verbs, "train", run_train, "train a model by reinforcement learning with the length-penalised reward")
    p.add_argument("--out", type=Path, default=None, help="run folder (default runs/MODEL-alpha-ALPHA)")
    add_training_options(p)
    p.add_argument(
        "--trainer", choices=TRAINERS, default=None, help="train with this engine of others (docs/engines.md)"
    )
    p.add_argument("--print", dest="shown", action="store_true", help="of --trainer: write its files, show its command")
    p.add_argument(
        "--import", dest="taken", action="store_true", help="of --trainer verl: what it wrote becomes the run folder"
    )
    p.add_argument(
        "--override", action="append", default=[], metavar="WORD", help="of --trainer: a word more for its command"
    )


TRAINERS = ("verl", "openrlhf")
"""Engines of others for which a recipe is written."""


def run_train(args: argparse.Namespace) -> int:
    config = training_config(args)
    if args.trainer is not None:
        return train_elsewhere(args, config)
    if args.shown or args.taken or args.override:
        raise UserError("--print, --import and --override are about an engine of others: name it with --trainer verl")
    from tersely.display import make_display, speaks
    from tersely.learn.loop import train

    out = args.out or usual_folder(config)
    with make_display(config.objective.label) as display:
        train(config, out, display)
    if speaks():
        say(f"trained: {out} (next: {next_evaluation(config.model, out, config.task, config.verifier)})")
    return 0


def train_elsewhere(args: argparse.Namespace, config: TrainConfig) -> int:
    """Show, start or take over the same training in an engine of others."""
    out = args.out or usual_folder(config)
    if args.trainer == "openrlhf":
        if args.taken or not args.shown:
            raise UserError("openrlhf is started by its own command, and its runs are not taken over: give --print")
        from tersely.adapters.openrlhf_recipe import OpenRLHFRun

        say(OpenRLHFRun(config, out, args.override).prepare())
        return 0
    from tersely.adapters.verl_run import VerlRun

    run = VerlRun(config, out, args.override)
    if args.shown:
        run.write()
        say(run.shown())
        return 0
    summary = run.take_over() if args.taken else run.launch()
    say(f"{out}: {summary.steps} of {config.run.steps} steps, trained by verl "
        f"(next: {next_evaluation(config.model, out, config.task, config.verifier)})")  # fmt: skip
    return 0


def usual_folder(config: TrainConfig) -> Path:
    seed = f"-seed-{config.seed}" if config.seed else ""
    return Path("runs") / f"{Path(config.model).name}-{config.objective.label.replace(' ', '-')}{seed}"
