"""`tersely score`: the objective alone."""

from __future__ import annotations

import argparse
from typing import Any

from tersely.commands.verb import add_verb


def add_score(verbs: Any) -> None:
    p = add_verb(verbs, "score", run_score, "rewards and advantages for responses sampled elsewhere")
    p.add_argument("file", metavar="FILE.jsonl", help="{group, correct, length} a line; '-' reads standard input")
    p.add_argument("--alpha", type=float, required=True, help="length pressure in [0, 1)")
    p.add_argument("--penalty", default="sigmoid")
    p.add_argument("--advantage", default="rloo")
    p.add_argument("--normalize", default="none")


def run_score(args: argparse.Namespace) -> int:
    from tersely.objective import Objective
    from tersely.score import score_file

    objective = Objective(args.alpha, args.penalty, args.advantage, args.normalize)
    for line in score_file(args.file, objective):
        print(line)
    return 0
