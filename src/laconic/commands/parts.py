"""The judge and the objective alone: `laconic verify`, `laconic score`."""

from __future__ import annotations

import argparse
from typing import Any

from laconic.commands.verb import add_verb


def add_verify(verbs: Any) -> None:
    p = add_verb(verbs, "verify", run_verify, "judge answers: {gold, response, kind?} a line in, verdicts out")
    p.add_argument("file", metavar="FILE.jsonl", help="'-' reads standard input")
    p.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")


def run_verify(args: argparse.Namespace) -> int:
    from laconic.errors import UserError
    from laconic.jsonl import display_name, read_lines
    from laconic.verify import Judge
    from laconic.verify.lines import verify_lines

    lines = read_lines(args.file)
    with Judge(workers=args.workers) as judge:
        try:
            for line in verify_lines(lines, judge):
                print(line)
        except UserError as error:
            raise UserError(f"{display_name(args.file)}: {error}") from error
    return 0


def add_score(verbs: Any) -> None:
    p = add_verb(verbs, "score", run_score, "rewards and advantages for responses sampled elsewhere")
    p.add_argument("file", metavar="FILE.jsonl", help="{group, correct, length} a line; '-' reads standard input")
    p.add_argument("--alpha", type=float, required=True, help="length pressure in [0, 1)")
    p.add_argument("--penalty", default="sigmoid")
    p.add_argument("--advantage", default="rloo")
    p.add_argument("--normalize", default="none")


def run_score(args: argparse.Namespace) -> int:
    from laconic.objective import Objective
    from laconic.score import score_file

    objective = Objective(args.alpha, args.penalty, args.advantage, args.normalize)
    for line in score_file(args.file, objective):
        print(line)
    return 0
