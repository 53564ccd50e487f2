"""`tersely train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb, next_evaluation
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.config import TrainConfig
from tersely.commands.settings import add_training_options, training_config


def add_train(verbs: Any) -> None:
    p = add_verb(verbs, "train", run_train, "train a model by reinforcement learning with the length-penalised reward")
    p.add_argument("--out", type=Path, default=None, help="run folder (default runs/MODEL-alpha-ALPHA)")
    add_training_options(p)


def run_train(args: argparse.Namespace) -> int:
    config = training_config(args)
    from tersely.display import make_display, speaks
    from tersely.learn.loop import train

    out = args.out or usual_folder(config)
    with make_display(config.objective.label) as display:
        train(config, out, display)
    if speaks():
        say(f"trained: {out} (next: {next_evaluation(config.model, out, config.task, config.verifier)})")
    return 0


def usual_folder(config: TrainConfig) -> Path:
    seed = f"-seed-{config.seed}" if config.seed else ""
    return Path("runs") / f"{Path(config.model).name}-{config.objective.label.replace(' ', '-')}{seed}"
