"""`tersely compare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.report import add_page_options, asked_for
from tersely.commands.verb import add_verb, message_of
from tersely.errors import UserError
from tersely.terminal import say


def add_compare(verbs: Any) -> None:
    p = add_verb(verbs, "compare", run_compare, "one page: the family beside baselines, cutoffs, ablations, with costs")
    p.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="evaluated run folders, or evaluations of a model")
    add_page_options(p, Path("comparison"))
    p.add_argument("--with-ablations", action="store_true", help="draw ablations on the frontier too")
    p.add_argument("--published", choices=("1.5b", "7b"), default=None, help="draw the paper's own tables instead")


def run_compare(args: argparse.Namespace) -> int:
    from tersely.page.render import COMPARE_MARKDOWN, write_comparison, write_published

    asked = asked_for(args, with_ablations=args.with_ablations)
    if args.published:
        if args.runs:
            raise UserError("--published draws the paper's tables alone: leave the run folders out")
        page = write_published(args.published, args.out, commands=asked.commands)
    elif not args.runs:
        raise UserError("nothing to compare: name run folders, or give --published 1.5b or 7b")
    else:
        page = write_comparison(args.runs, args.base, args.out, asked)
    say(message_of(page.with_name(COMPARE_MARKDOWN)))
    say(f"comparison: {page}")
    return 0
