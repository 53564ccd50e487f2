"""`tersely quickstart`: the embedded task from nothing to the page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb
from tersely.errors import UserError
from tersely.terminal import say

DEFAULT_ALPHAS = "0,0.05,0.1,0.2,0.4"
SIZE = 1200

FAST = {"alphas": "0.2", "steps": 25, "size": 300}
"""What --fast says where nothing is given: enough of one member to see responses halve."""


def add_quickstart(verbs: Any) -> None:
    p = add_verb(verbs, "quickstart", run_quickstart, "make a small reasoner, train a family, evaluate and report")
    p.add_argument("--fast", action="store_true", help="the base that ships with tersely and one member: two minutes")
    p.add_argument("--out", type=Path, default=Path("tersely-quickstart"), help="folder for everything made")
    p.add_argument("--alphas", default=None, help=f"comma-separated (default {DEFAULT_ALPHAS}; --fast: 0.2)")
    p.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    p.add_argument(
        "--steps", type=int, default=None, help="iterations an alpha (default: the tiny recipe's; --fast 25)"
    )
    p.add_argument("--base", type=Path, default=None, help="a base made before (default: make one)")
    p.add_argument("--size", type=int, default=None, help=f"held-out problems (default {SIZE}; --fast: 300)")
    p.add_argument("--jobs", type=int, default=None, help="processes side by side (default: cores, at most 2)")


def run_quickstart(args: argparse.Namespace) -> int:
    from tersely.pipelines.quickstart import quickstart
    from tersely.toy.shipped import SHIPPED_BASE

    for name, value in FAST.items() if args.fast else ():
        if getattr(args, name) is None:
            setattr(args, name, value)
    alphas = _alphas(args.alphas or DEFAULT_ALPHAS)
    for name in ("steps", "size", "jobs"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError(f"--{name} is {value}: it must be at least 1")
    base, size = args.base or (SHIPPED_BASE if args.fast else None), args.size or SIZE
    if base is not None:
        _require_base(base)
    found, runs = quickstart(args.out, alphas, seed=args.seed, base=base, steps=args.steps, size=size, jobs=args.jobs)
    if args.fast:
        _show_one(found, runs[-1])
    say(f"\nthe page: {args.out / 'report' / 'index.html'}")
    return 0


def _require_base(base: Path) -> None:
    """UserError before anything is written where the base cannot be used."""
    from tersely.models.folder import resolve_model

    resolve_model(base)


def _show_one(base: Path, run: Path) -> None:
    """A problem that both answer right, side by side; of those the one whose saving is the middle one."""
    from tersely.commands.show import find_responses, print_responses
    from tersely.evaluation import read_evaluation
    from tersely.pipelines.quickstart import TASK

    place = base / TASK if (base / TASK).is_dir() else base / "evaluation" / TASK
    first = {(r.problem_id, r.sample): r for r in read_evaluation(place).responses() if r.correct}
    after = read_evaluation(run / "evaluation" / TASK).responses()
    right = [(r, first[r.problem_id, r.sample]) for r in after if r.correct and (r.problem_id, r.sample) in first]
    if both := sorted((before.tokens - r.tokens, (r.problem_id, r.sample)) for r, before in right):
        _, (problem, sample) = both[len(both) // 2]
        say("\nthe same problem before and after, the one of the middle saving:")
        print_responses(find_responses([run], base, TASK, problem, sample))


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
