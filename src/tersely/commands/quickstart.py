"""`tersely quickstart`: the embedded task from nothing to the page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb
from tersely.errors import UserError

DEFAULT_ALPHAS = "0,0.05,0.1,0.2,0.4"


def add_quickstart(verbs: Any) -> None:
    p = add_verb(verbs, "quickstart", run_quickstart, "make a small reasoner, train a family, evaluate and report")
    p.add_argument("--out", type=Path, default=Path("tersely-quickstart"), help="folder for everything made")
    p.add_argument("--alphas", default=DEFAULT_ALPHAS, help=f"comma-separated (default {DEFAULT_ALPHAS})")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--steps", type=int, default=None, help="iterations an alpha (default: the tiny recipe's)")
    p.add_argument("--base", type=Path, default=None, help="a base made before (default: make one)")
    p.add_argument("--size", type=int, default=1200, help="held-out problems (default 1200)")
    p.add_argument("--jobs", type=int, default=None, help="processes side by side (default: cores, at most 2)")


def run_quickstart(args: argparse.Namespace) -> int:
    from tersely.pipelines.quickstart import quickstart

    alphas = _alphas(args.alphas)
    for name in ("steps", "size", "jobs"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError(f"--{name} is {value}: it must be at least 1")
    quickstart(args.out, alphas, seed=args.seed, base=args.base, steps=args.steps, size=args.size, jobs=args.jobs)
    return 0


def _alphas(text: str) -> list[float]:
    try:
        alphas = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--alphas {text!r} is not a comma-separated list of numbers such as 0,0.1,0.2") from error
    if bad := [a for a in alphas if not 0.0 <= a < 1.0]:
        raise UserError(
            f"alpha {bad[0]} lies outside [0, 1): 0 rewards accuracy alone, larger values press for brevity"
        )
    if len(set(alphas)) < len(alphas):
        raise UserError(f"--alphas {text!r} names one alpha twice: name each once")
    return alphas
