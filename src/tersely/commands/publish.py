"""`tersely publish`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb, paste
from tersely.errors import UserError
from tersely.terminal import say


def add_publish(verbs: Any) -> None:
    p = add_verb(verbs, "publish", run_publish, "write a model card into a trained checkpoint, and push it to the hub")
    p.add_argument(
        "run", type=Path, metavar="RUN", help="folder of tersely train, baseline or tune, or a checkpoint in it"
    )
    p.add_argument("--to", default=None, metavar="OWNER/NAME", help="push it there too (log in with `hf auth login`)")
    p.add_argument("--private", action="store_true", help="make the repository a private one, where it is new")


def run_publish(args: argparse.Namespace) -> int:
    """The card is written before anything is sent; whoever asks for a push must be able to make one."""
    from tersely.publish.card import card
    from tersely.publish.found import find
    from tersely.publish.push import push, require_login, require_name
    from tersely.runs import disk
    from tersely.runs.manifest import CARD

    if args.private and args.to is None:
        raise UserError("--private is of the repository that is pushed to: name that with --to OWNER/NAME")
    if args.to is not None:
        require_name(args.to)
    found = find(args.run)
    if args.to is not None:
        from huggingface_hub import HfApi

        hub = HfApi()
        require_login(hub)
    disk.replace_file(found.folder / CARD, card(found).encode())
    say(f"card: {found.folder / CARD}")
    if not found.points:
        say(f"nothing was measured with these weights, and the card says so: {paste('evaluate', args.run)} first")
    if args.to is not None:
        say(f"published: {push(found.folder, args.to, hub, args.private)}")
    return 0
