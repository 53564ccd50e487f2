"""`tersely replay`: a training run told to a tracker afterwards."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb
from tersely.terminal import say


def add_replay(verbs: Any) -> None:
    p = add_verb(verbs, "replay", run_replay, "tell a tracker of a training run that has been, step by step")
    p.add_argument("run", type=Path, metavar="RUN", help="run folder of `tersely train`, finished or not")
    p.add_argument("--to", required=True, metavar="NAME", help="trackio, wandb or tensorboard")


def run_replay(args: argparse.Namespace) -> int:
    from tersely.trackers.follow import replay

    steps = replay(args.run, args.to)
    say(f"told {args.to} of {steps} step{'s' if steps != 1 else ''} of {args.run}")
    return 0
