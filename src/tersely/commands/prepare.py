"""`tersely prepare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb, command_line
from tersely.errors import require_known
from tersely.terminal import say


def add_prepare(verbs: Any) -> None:
    p = add_verb(verbs, "prepare", run_prepare, "filter and draw training problems, with a report of what was dropped")
    p.add_argument("name", metavar="NAME", help="a named task such as numina or numina:AIME,AoPS, or a JSONL file")
    p.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="task file to write")
    p.add_argument("--size", type=int, default=None, help="problems to keep (default: all that pass)")
    p.add_argument("--data", nargs="+", action="extend", default=[], metavar="FILE", help="JSONL in place of the hub")
    p.add_argument(
        "--exclude", nargs="+", action="extend", default=None, metavar="SET",
        help="evaluation sets to keep out, files or names; 'none' for none (default: math500, aime2024, gsm8k)",
    )  # fmt: skip
    p.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    p.add_argument("--balance", default="equal", help="of the sources: equal (default) or proportional")
    p.add_argument("--overlap", default=None, help="with evaluation sets: ngrams (default) or equal (templates)")
    p.add_argument("--numeric-only", action=argparse.BooleanOptionalAction, default=True, help="numbers as golds")
    p.add_argument("--revision", default=None, help="commit on the hub (default: the pinned one)")
    p.add_argument("--force", action="store_true", help="replace a file of other content")
    p.add_argument("--workers", type=int, default=2, help="worker processes of the judge (default 2)")


def run_prepare(args: argparse.Namespace) -> int:
    from tersely.tasks.prepare.run import Preparation, prepare, usual_overlap
    from tersely.tasks.prepare.settings import Balance, OverlapRule, Settings
    from tersely.verify import Judge

    balance = Balance(require_known("balance", args.balance, Balance))
    overlap = OverlapRule(require_known("overlap rule", args.overlap or usual_overlap(args.name), OverlapRule))
    settings = Settings(args.size, args.seed, args.numeric_only, balance, overlap)
    request = Preparation(
        args.name, args.out, settings, args.data, args.exclude, args.revision, args.force, command=command_line()
    )
    with Judge(workers=args.workers) as judge:
        report = prepare(request, judge.check_golds)
    dropped = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items())
    say(f"{report.kept} of {report.read} problems kept, {report.passed} passed (dropped: {dropped or 'none'})")
    say(f"prepared: {args.out} (report: {args.out.with_suffix('.report.md')})")
    return 0
