"""Options of decoding as points beside the model as it is: `--decoding`, `--close`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tersely.errors import UserError

if TYPE_CHECKING:
    from tersely.samplers.decoding import Decoding


def add_decoding(parser: argparse.ArgumentParser) -> None:
    p: Any = parser.add_argument_group("while it decodes", "by our own sampler; docs/decoding.md")
    also = "a point each, beside the model as it is: budget:512, brake:0.1, nowait"
    p.add_argument("--decoding", action="append", default=[], metavar="NAME[:VALUE]", help=also)
    closes = r"what ends thinking and opens the answer, such as '\n</think>\n\n' (default: the model's </think>)"
    p.add_argument("--close", default=None, metavar="TEXT", help=closes)


def decodings_of(args: argparse.Namespace) -> Sequence[Decoding | None]:
    r"""None for the model as it is, then each option that was named; ``\n`` in --close is a line break.

    UserError for one given twice, for --close without any to close, and beside a server, which decodes by itself.
    """
    from tersely.samplers.decoding import Decoding

    specs = args.decoding
    if specs and args.endpoint is not None:
        raise UserError(
            "--decoding is done by our own sampler, and a server decodes by itself: ask it for its own, such as "
            "--request thinking_token_budget=512"
        )
    options = [Decoding(spec).option for spec in specs]
    twice = next((spec for spec, option in zip(specs, options, strict=True) if options.count(option) > 1), None)
    if twice is not None:
        raise UserError(f"--decoding {twice} is asked for twice: each is one point, give it once")
    close = None if args.close is None else args.close.replace("\\n", "\n")
    if close is not None and not any(option.closes for option in options):
        raise UserError("--close is the text that ends thinking: add --decoding budget:N or brake:MARGIN, or leave it")
    closed = [Decoding(spec, close if option.closes else None) for spec, option in zip(specs, options, strict=True)]
    return [None, *closed]
