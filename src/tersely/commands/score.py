"""`tersely score`: the objective alone."""

from __future__ import annotations

import argparse
from typing import Any

from tersely.commands.verb import add_verb
from tersely.terminal import say, say_json

OTHERS = (
    "linear, truncation, dot, kimi, l1-exact, l1-max, cosine, dapo-overlong, laser, laser-d, shorterbetter, grpo-lead, "
    "acoer, laconic, arlcp, o1-pruner, prime-rl, alp, hapo, leash, gr3"
)
"""Of ``objective.methods.METHODS``, which is not imported to say this; a test compares them."""


def add_score(verbs: Any) -> None:
    p = add_verb(verbs, "score", run_score, "rewards and advantages for responses sampled elsewhere")
    p.add_argument("file", metavar="FILE.jsonl", help="{group, correct, length} a line; '-' reads standard input")
    p.add_argument("--alpha", type=float, default=None, help="length pressure, for objectives that have one")
    p.add_argument(
        "--objective",
        "--method",
        dest="method",
        metavar="NAME",
        default="paper",
        help=f"what is rewarded (docs/method.md): paper (default), {OTHERS}, or one of yours as package.module:Name",
    )
    what = "a setting of the objective (default: its authors')"
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=what)
    p.add_argument("--cap", type=int, default=None, help="most tokens of a response, for methods that need it")
    p.add_argument("--advantage", default="rloo", help="baseline of a group: rloo (default) or mean")
    p.add_argument("--normalize", default="none", help="scale of the advantages: none (default), group or batch")


def run_score(args: argparse.Namespace) -> int:
    from tersely.config import set_key
    from tersely.objective import Need, Objective
    from tersely.score import score_file

    settings: dict[str, Any] = {}
    for assignment in args.set:
        set_key(settings, assignment)
    objective = Objective(args.alpha, args.method, args.advantage, args.normalize, settings)
    lines = score_file(args.file, objective, args.cap)
    if Need.STATE in objective.needs:
        say(f"{args.method} remembers earlier steps: these are the rewards of a first one", error=True)
    for line in lines:
        say_json(line)
    return 0
