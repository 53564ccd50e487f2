"""`tersely report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb, command_line, message_of
from tersely.terminal import say


def add_report(verbs: Any) -> None:
    p = add_verb(verbs, "report", run_report, "draw one page, Markdown and figures from evaluated runs")
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="evaluated run folders")
    p.add_argument("--base", type=Path, default=None, help="base (default: the model that the runs were trained from)")
    p.add_argument("--out", type=Path, default=Path("report"), help="folder of the report")
    p.add_argument("--command", action="append", default=[], help="a command to print as what made the runs")


def run_report(args: argparse.Namespace) -> int:
    from tersely.report import write_report
    from tersely.report.write import MARKDOWN

    page = write_report(args.runs, args.base, args.out, [*args.command, command_line()])
    say(message_of(page.with_name(MARKDOWN)))
    say(f"report: {page}")
    return 0
