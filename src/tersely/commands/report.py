"""`tersely report`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb, command_line, message_of
from tersely.errors import UserError
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.page.block import Options


def add_report(verbs: Any) -> None:
    p = add_verb(verbs, "report", run_report, "draw one page, Markdown and figures from evaluated runs")
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="evaluated run folders, or one of tersely tune")
    add_page_options(p, Path("report"))


def add_page_options(p: argparse.ArgumentParser, out: Path) -> None:
    """What every page can be asked for."""
    p.add_argument("--base", type=Path, default=None, help="base (default: the model that the runs were trained from)")
    p.add_argument("--out", type=Path, default=out, help=f"folder of the page (default {out})")
    p.add_argument("--price", default=None, metavar="[IN,]OUT", help="of a million tokens of prompts, and generated")
    p.add_argument("--gpu-hour", type=float, default=None, help="price of an hour of the training machine")
    p.add_argument("--currency", default="USD", help="of the prices (default USD)")
    p.add_argument("--allow-mixed", action="store_true", help="show runs of another protocol, marked and uncompared")
    p.add_argument("--command", action="append", default=[], help="a command to print as what made the runs")


def asked_for(args: argparse.Namespace, with_ablations: bool = False) -> Options:
    """The options of ``add_page_options``; UserError for a price that is none."""
    from tersely.page.block import Options

    hour = args.gpu_hour
    if hour is not None and not (math.isfinite(hour) and hour > 0):
        raise UserError(f"--gpu-hour {hour:g} is no price: give a number above 0, or leave it out")
    read, written = _prices(args.price)
    commands = [*args.command, command_line()]
    mixed = args.allow_mixed
    return Options(written, hour, args.currency, with_ablations, mixed, commands, price_read=read)


def _prices(given: str | None) -> tuple[float | None, float | None]:
    """(of prompts, of generated tokens), either None where it was not given; UserError for what is no price."""
    from tersely.evaluation.efforts import parse_price

    if given is None:
        return None, None
    if "," in given:
        both = parse_price(given)
        return both.read, both.written
    written = _number(given)
    if not (written is not None and math.isfinite(written) and written > 0):
        raise UserError(f"--price {given} is no price: give a number above 0, or leave it out")
    return None, written


def _number(given: str) -> float | None:
    try:
        return float(given)
    except ValueError:
        return None


def run_report(args: argparse.Namespace) -> int:
    from tersely.page.render import REPORT_MARKDOWN, write_report, write_tuned
    from tersely.tune.found import is_tuned

    if tuned := [run for run in args.runs if is_tuned(run)]:
        _require_alone(args, tuned[0])
        page = write_tuned(tuned[0], args.out, commands=asked_for(args).commands)
    else:
        page = write_report(args.runs, args.base, args.out, asked_for(args))
    say(message_of(page.with_name(REPORT_MARKDOWN)))
    say(f"report: {page}")
    return 0


def _require_alone(args: argparse.Namespace, tuned: Path) -> None:
    """UserError for what does not go with the page of one `tersely tune`."""
    if len(args.runs) > 1:
        raise UserError(f"{tuned} was made by tersely tune: report it alone, or give the run in it, {tuned / 'run'}")
    given = [name for name in ("base", "price", "gpu_hour", "allow_mixed") if getattr(args, name)]
    if given:
        option = given[0].replace("_", "-")
        raise UserError(f"--{option} does not go with {tuned}, which was made by tersely tune: leave it out")
