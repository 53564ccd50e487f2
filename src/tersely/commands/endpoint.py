"""A server in place of a model folder: the options that verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tersely.commands.verb import folder_in, out_for
from tersely.errors import UserError

if TYPE_CHECKING:
    from tersely.analysis.served import Price
    from tersely.samplers.endpoint import Endpoint

NEEDS = ("model", "sent", "system", "request", "completions", "tokenizer", "concurrency", "timeout", "retries")
"""Options that mean nothing without --endpoint."""
FLAGS = {"sent": "with"}


def add_endpoint(parser: argparse.ArgumentParser, points: bool = False) -> None:
    """``points``: the verb measures the model under several requests."""
    p = parser.add_argument_group("a model behind a server", "OpenAI-compatible; docs/endpoint.md")
    p.add_argument("--endpoint", default=None, metavar="URL", help="its address, such as http://127.0.0.1:8000/v1")
    p.add_argument("--model", default=None, metavar="NAME", help="what the server calls the model")
    p.add_argument("--with", dest="sent", action="append", default=[], metavar="NAME=VALUE", help="sent always")
    if points:
        also = "a point each, beside the model as served: reasoning_effort=low,high"
        p.add_argument("--request", action="append", default=[], metavar="NAME=V,..", help=also)
        p.add_argument("--system", action="append", default=[], metavar="TEXT", help="system prompt or file, a point")
    p.add_argument("--completions", action="store_true", help="plain completions of our own prompt (base models)")
    p.add_argument("--tokenizer", default=None, metavar="FOLDER", help="the model's, where the server does not count")
    p.add_argument("--concurrency", type=int, default=None, metavar="N", help="requests at once (default 64)")
    p.add_argument("--timeout", type=float, default=None, metavar="SECONDS", help="of silence (default 600)")
    p.add_argument("--retries", type=int, default=None, metavar="N", help="further tries of a request (default 6)")


def endpoint_of(args: argparse.Namespace, models: Sequence[Path]) -> Endpoint | None:
    """The server that was named; None where there is none. UserError for one half named, and beside folders."""
    if args.endpoint is None:
        given = next((name for name in NEEDS if getattr(args, name, None) not in (None, [], False)), None)
        if given is not None:
            option = f"--{FLAGS.get(given, given)}"
            raise UserError(f"{option} speaks of a server: name that with --endpoint URL, or leave {option} out")
        return None
    if models:
        raise UserError(
            f"--endpoint measures what the server serves, and {models[0]} is a folder: measure them in commands of "
            "their own, `tersely compare` shows both"
        )
    if getattr(args, "effort", None):
        raise UserError("--effort is of models that were trained here for levels: ask a server by --request or --with")
    for name, plain in (("engine", "auto"), ("engine_option", [])):
        if getattr(args, name, plain) != plain:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} is of an engine here, and a server has its own: leave {option} out")
    if args.model is None:
        raise UserError("--endpoint needs the name of the model that is served there: add --model NAME")
    return _made(args)


def _made(args: argparse.Namespace) -> Endpoint:
    from tersely.samplers.endpoint import endpoint_at
    from tersely.samplers.endpoint.points import nested, pair

    settings = {name: getattr(args, name) for name in ("concurrency", "timeout", "retries")}
    given = {name: value for name, value in settings.items() if value is not None}
    options = dict(nested(*pair(one, "--with")) for one in args.sent)
    return endpoint_at(
        args.endpoint,
        args.model,
        options=options,
        completions=args.completions,
        tokenizer=args.tokenizer,
        **given,
    )


def place_for(model: Path | Endpoint, models: Sequence[Path], out: Path | None) -> Path | None:
    """Where --out puts a model's results; None: in its own run folder."""
    if isinstance(model, Path):
        return out_for(model, models, out)
    return None if out is None else folder_in(out, Path(model.label))


def price_of(args: argparse.Namespace) -> Price | None:
    """Of a million tokens in and out; None where it was not asked for. UserError for one that is none."""
    from tersely.evaluation.efforts import parse_price

    if args.price is None:
        return None
    if args.endpoint is None:
        raise UserError("--price is of a server's answers: name one with --endpoint URL, or leave --price out")
    return parse_price(args.price)


def print_points(found: Mapping[str, Mapping[str, Path]], label: str, price: Price | None) -> None:
    """Set by set; each row by what was asked for, without the name of the model."""
    from tersely.evaluation.efforts import print_efforts

    for task in next(iter(found.values())):
        named = [(row.removeprefix(label).strip() or "as served", sets[task]) for row, sets in found.items()]
        print_efforts(named, price)


def points_of(args: argparse.Namespace, served: Endpoint) -> list[tuple[str | None, str, Endpoint]]:
    """(name, its row in tables, server asked so) of the model as it is served, then of every value asked for.

    UserError for what is no value, and for one given twice.
    """
    from tersely.samplers.endpoint.points import Point, at, requests, systems

    if args.all_checkpoints:
        raise UserError("--all-checkpoints belongs to a run folder, and a server serves one model: leave it out")
    found = [Point(), *requests(args.request), *systems(args.system)]
    names = [point.name for point in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{twice!r} is asked for twice: each request is one point, give it once")
    if args.completions and args.system:
        raise UserError("--system is a turn of a chat, and --completions sends none: leave one of the two out")
    return [(point.name, f"{served.label} {point.name or ''}".strip(), at(served, point)) for point in found]
