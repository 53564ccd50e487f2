"""`tersely compare`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb, command_line, message_of
from tersely.errors import UserError
from tersely.terminal import say


def add_compare(verbs: Any) -> None:
    p = add_verb(verbs, "compare", run_compare, "one page: the family beside baselines, cutoffs, ablations, with costs")
    p.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="evaluated run folders, or evaluations of a model")
    p.add_argument("--base", type=Path, default=None, help="base (default: the model that the runs were trained from)")
    p.add_argument("--out", type=Path, default=Path("comparison"), help="folder of the page (default comparison)")
    p.add_argument("--price", type=float, default=None, help="price of a million generated tokens")
    p.add_argument("--gpu-hour", type=float, default=None, help="price of an hour of the training machine")
    p.add_argument("--allow-mixed", action="store_true", help="show runs of another protocol, marked and uncompared")
    p.add_argument("--with-ablations", action="store_true", help="draw ablations on the frontier too")
    p.add_argument("--published", choices=("1.5b", "7b"), default=None, help="draw the paper's own tables instead")


def run_compare(args: argparse.Namespace) -> int:
    from tersely.compare import write_comparison, write_published
    from tersely.compare.write import MARKDOWN

    for name in ("price", "gpu_hour"):
        value = getattr(args, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UserError(f"--{name.replace('_', '-')} {value:g} is no price: give a number above 0, or leave it out")
    if args.published:
        if args.runs:
            raise UserError("--published draws the paper's tables alone: leave the run folders out")
        page = write_published(args.published, args.out, commands=[command_line()])
    elif not args.runs:
        raise UserError("nothing to compare: name run folders, or give --published 1.5b or 7b")
    else:
        page = write_comparison(
            args.runs, args.base, args.out, price=args.price, gpu_hour=args.gpu_hour,
            allow_mixed=args.allow_mixed, with_ablations=args.with_ablations, commands=[command_line()],
        )  # fmt: skip
    say(message_of(page.with_name(MARKDOWN)))
    say(f"comparison: {page}")
    return 0
