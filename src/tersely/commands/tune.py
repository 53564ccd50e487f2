"""`tersely tune`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.settings import add_training_options, training_config
from tersely.commands.verb import add_verb, command_line, paste
from tersely.errors import UserError
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.tune.certificate import Certificate

STEPS = 100
"""Of the ramp, where neither --steps nor --set run.steps says it."""


def add_tune(verbs: Any) -> None:
    p = add_verb(verbs, "tune", run_tune, "the shortest model that loses no more than you say, from one training run")
    p.add_argument("--lose-at-most", type=float, default=None, metavar="POINTS", help="of accuracy, with a guarantee")
    p.add_argument("--tokens", type=float, default=None, metavar="N", help="that a response may need, on average")
    p.add_argument("--quantile", type=float, default=None, help="--tokens for this share of responses: 0.95")
    p.add_argument("--save", type=float, default=None, metavar="PERCENT", help="of the base's tokens")
    p.add_argument("--confidence", type=float, default=0.95, help="of the guarantee (default 0.95)")
    p.add_argument("--held-out", default=None, metavar="FILE", help="problems to choose by (default: part of the task)")
    p.add_argument("--guard", action="append", default=[], metavar="TASK", help="keep the floor on this task too")
    p.add_argument("--reference", choices=["base", "best"], default="base", help="what a loss is counted from")
    among = "train nothing: choose among these models of one base, and weights between them"
    p.add_argument("--choose-among", nargs="+", type=Path, default=None, metavar="MODEL", help=among)
    p.add_argument("--out", type=Path, default=None, help="folder (default runs/MODEL-tuned)")
    add_training_options(p, alpha=False)
    p.add_argument("--alpha", default=None, help=argparse.SUPPRESS)


def run_tune(args: argparse.Namespace) -> int:
    from tersely.config import merge, resolve
    from tersely.display import make_display
    from tersely.tune.given import choose_among
    from tersely.tune.path import LAST_ALPHA, PathSettings
    from tersely.tune.run import Wish, tune
    from tersely.tune.target import Target

    _require_no_alpha(args)
    loss, save = (None if value is None else value / 100 for value in (args.lose_at_most, args.save))
    target = Target(loss, args.tokens, save, args.quantile)
    wish = Wish(target, args.confidence, args.reference == "best", args.held_out, tuple(args.guard), command_line())
    if args.steps is None and not any(given.startswith("run.steps=") for given in args.set):
        args.steps = STEPS
    config = training_config(args)
    # A checkpoint with every measurement: no later one is made again where a run is resumed.
    every = PathSettings(config.run.steps).every
    own = {"objective": {"alpha": LAST_ALPHA}, "run": {"checkpoint_every": every}}
    config = resolve(merge(config.model_dump(), own))
    out = args.out or Path("runs") / f"{Path(config.model).name}-tuned"
    with make_display("tune") as display:
        if args.choose_among is not None:
            found: Certificate | None = choose_among(config, wish, args.choose_among, out, display)
        else:
            found = tune(config, wish, out, display)
    if found is not None:
        _tell(found)
    if found is not None and args.choose_among is None:
        from tersely.page.render import write_tuned

        say(f"the page: {write_tuned(out, out / 'page')}")
    return 0


def _require_no_alpha(args: argparse.Namespace) -> None:
    """UserError for an alpha, which would be passed over, and for a share where percent are meant."""
    if args.alpha is not None or any(given.startswith("objective.alpha=") for given in args.set):
        raise UserError("tune moves alpha by itself: leave it out, or train at one alpha with `tersely train`")
    if args.save is not None and 0 < args.save < 1:
        raise UserError(
            f"--save {args.save:g} is less than one percent: --save {100 * args.save:g} if a share was meant"
        )


def _tell(found: Certificate) -> None:
    say(found.sentence())
    say(f"\nthe model: {found.model}")
    say(f"to measure it elsewhere: {paste('evaluate', found.model, '--task', 'TASK', '--out', 'evaluations')}")
