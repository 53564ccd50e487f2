"""`tersely evaluate --mix`: weights between two models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tersely.errors import UserError

if TYPE_CHECKING:
    from tersely.evaluation.work import Work
    from tersely.tune.mixing import Mixture


NOTHING = (
    "nothing says what to measure: name models, two ends with --mix A B 0.25,0.5,0.75, or a server with --endpoint URL "
    "--model NAME"
)


def add_mix(p: argparse.ArgumentParser) -> None:
    between = "models between two of one base, such as 0.25,0.5,0.75 of B and the rest of A"
    p.add_argument("--mix", nargs=3, action="append", default=[], metavar=("A", "B", "WEIGHTS"), help=between)
    kept = "keep the folders of mixes there (default: they are removed)"
    p.add_argument("--keep", type=Path, default=None, metavar="DIR", help=kept)


def mixtures_of(args: argparse.Namespace) -> list[Mixture]:
    """What --mix asks for; a UserError where nothing at all is to be measured."""
    from tersely.tune.mixing import parse_mixture

    if not args.models and not args.mix:
        raise UserError(NOTHING)
    if args.keep is not None and not args.mix:
        raise UserError("--keep says where the folders of mixes stay, and there is no --mix: leave it out")
    if args.mix and args.out is None:
        raise UserError("a mix is no run folder to keep its evaluations in: say where with --out DIR")
    return [parse_mixture(*given) for given in args.mix]


def require_unknown_to(mixtures: Sequence[Mixture], works: Sequence[Work], allow: bool) -> None:
    """UserError for problems that an end of a mix was trained on: the folder of a mix tells of none."""
    from tersely.tasks.overlap import refuse_trained_on

    for end in {end for mixture in mixtures for end in (mixture.first, mixture.second)}:
        for work in works:
            refuse_trained_on(end, work.problems, allow)
