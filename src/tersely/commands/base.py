"""`tersely base`: an embedded reasoner alone."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb
from tersely.errors import require_known
from tersely.terminal import say


def add_base(verbs: Any) -> None:
    p = add_verb(verbs, "base", run_base, "make an embedded reasoner that overthinks")
    p.add_argument("--task", default="arithmetic", help="arithmetic, countdown or ordering")
    p.add_argument("--out", type=Path, required=True, help="run folder to make")
    p.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    p.add_argument("--threads", type=int, default=1, help="CPU threads")
    p.add_argument("--levels", action="store_true", help="with words for levels of effort, without meaning as yet")


def run_base(args: argparse.Namespace) -> int:
    from tersely.display import make_display
    from tersely.toy.base import make_base
    from tersely.toy.reasoners import REASONERS

    task = require_known("embedded task", args.task, REASONERS)
    settings = replace(REASONERS[task].settings, levels=args.levels)
    with make_display(f"base seed {args.seed}") as display:
        make_base(args.out, args.seed, args.threads, display, settings=settings)
    say(f"base reasoner: {args.out}")
    return 0
