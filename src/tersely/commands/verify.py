"""`tersely verify`: the judge alone."""

from __future__ import annotations

import argparse
from typing import Any

from tersely.commands.verb import add_verb


def add_verify(verbs: Any) -> None:
    p = add_verb(verbs, "verify", run_verify, "judge answers: {gold, response, kind?} a line in, verdicts out")
    p.add_argument("file", metavar="FILE.jsonl", help="'-' reads standard input")
    p.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")


def run_verify(args: argparse.Namespace) -> int:
    from tersely.errors import UserError
    from tersely.jsonl import display_name, read_lines
    from tersely.verify import Judge
    from tersely.verify.lines import verify_lines

    lines = read_lines(args.file)
    with Judge(workers=args.workers) as judge:
        try:
            for line in verify_lines(lines, judge):
                print(line)
        except UserError as error:
            raise UserError(f"{display_name(args.file)}: {error}") from error
    return 0
