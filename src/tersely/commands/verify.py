"""`tersely verify`: the judge alone."""

from __future__ import annotations

import argparse
from typing import Any

from tersely.commands.verb import add_verb
from tersely.terminal import say, say_json


def add_verify(verbs: Any) -> None:
    p = add_verb(verbs, "verify", run_verify, "judge answers: {gold, response, kind?} a line in, verdicts out")
    p.add_argument("file", metavar="FILE.jsonl", help="'-' reads standard input")
    p.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")
    p.add_argument(
        "--kind", default="math", help="of lines that name none: exact, choice, math, countdown, package.module:Name"
    )
    p.add_argument("--verifier", metavar="package.module:Name", help="your own function (problem, response) decides")
    p.add_argument("--policy", choices=["published"], help="count as papers do (docs/verify.md); off by default")
    p.add_argument("--audit", action="store_true", help="ask math-verify too and list where it differs, by kind")


def run_verify(args: argparse.Namespace) -> int:
    from tersely.jsonl import display_name, read_lines
    from tersely.plugins import is_own
    from tersely.verify import Judge, verify_lines
    from tersely.verify.summary import Tally

    lines, name, tally = read_lines(args.file), display_name(args.file), Tally()
    kinds = [args.kind] if is_own(args.kind) else []
    with Judge(workers=args.workers, kinds=kinds, verifier=args.verifier) as judge:
        for line in verify_lines(lines, judge, args.kind, tally=tally, policy=args.policy, audit=args.audit, name=name):
            say_json(line)
    for sentence in tally.sentences():
        say(sentence, error=True)
    return 0
