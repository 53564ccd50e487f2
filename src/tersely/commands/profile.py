"""`tersely profile`: a model looked at before it is trained."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.endpoint import add_endpoint, endpoint_of
from tersely.commands.verb import (
    add_engine,
    add_engine_options,
    add_verb,
    add_verifier,
    command_line,
    engine_options,
    engine_point,
    folder_in,
    label,
    paste,
)
from tersely.errors import UserError
from tersely.terminal import say

if TYPE_CHECKING:
    from tersely.samplers.endpoint import Endpoint

SIZE = 128
"""Problems where nobody says how many."""


def add_profile(verbs: Any) -> None:
    p = add_verb(verbs, "profile", run_profile, "pass rates, lengths and signal of a model before it is trained")
    p.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="folder or hub id of a model, or a run folder")
    p.add_argument("--task", required=True, help="task to be trained on: its name or a JSONL file")
    p.add_argument("--size", type=int, default=None, help=f"problems (default {SIZE}, or all of a smaller file)")
    p.add_argument("--k", type=int, default=8, help="responses a problem (default 8)")
    p.add_argument("--temperature", type=float, default=1.0, help="default 1, that of training")
    p.add_argument("--max-new-tokens", type=int, default=None, help="default: what it was trained with, or 32000")
    p.add_argument("--seed", type=int, default=0, help="of every random choice (default 0)")
    p.add_argument("--template", default=None, help="default: what the model was trained with, or boxed")
    p.add_argument("--other-template", action="store_true", help="allow another template than trained with")
    add_verifier(p)
    p.add_argument("--out", type=Path, default=None, help="folder for the profile (needed for foreign models)")
    p.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    add_engine(p)
    add_engine_options(p)
    add_endpoint(p)


def run_profile(args: argparse.Namespace) -> int:
    from tersely.display import make_display, speaks
    from tersely.evaluation.profile import print_profile, profile, read_profile
    from tersely.evaluation.protocol import EvalProtocol

    model = _model(args)
    place = Path(label(model) if isinstance(model, Path) else model.label)
    size = _size(args.task) if args.size is None else args.size
    with make_display(f"profile {place.name}") as display:
        path = profile(
            model,
            lambda cap: EvalProtocol(
                task=args.task,
                size=size,
                k=args.k,
                max_new_tokens=args.max_new_tokens or cap,
                temperature=args.temperature,
                seed=args.seed,
                template=args.template,
                request=engine_point(args),
            ),
            folder_in(args.out, place) if args.out else None,
            display,
            command=command_line(),
            other_template=args.other_template,
            other_verifier=args.other_verifier,
            verifier=args.verifier,
            drop_unjudgeable=args.drop_unjudgeable,
            threads=args.threads,
            engine=args.engine,
            engine_options=engine_options(args),
            max_rows=args.max_rows,
        )
    if not speaks():
        return 0
    found = read_profile(path)
    print_profile(found)
    judged = ["--verifier", args.verifier] if args.verifier else []
    asked = ["--template", str(found.protocol.template)]
    asked += ["--set", f"sampling.max_new_tokens={found.protocol.max_new_tokens}"]
    trained = model if isinstance(model, Path) else "FOLDER"
    following = paste("plan", "--model", trained, "--task", args.task, *judged, *asked, "--profile", path)
    say(f"profile: {path} (next: {following})")
    return 0


def _model(args: argparse.Namespace) -> Path | Endpoint:
    """The one that was named; UserError for none and for several."""
    served = endpoint_of(args, args.models)
    if served is not None:
        return served
    if len(args.models) != 1:
        raise UserError("profile looks at one model: name one MODEL, or a server with --endpoint URL --model NAME")
    folder: Path = args.models[0]
    return folder


def _size(task: str) -> int:
    """The usual number of problems, or all of a file that holds fewer."""
    from tersely.jsonl import read_jsonl

    return min(SIZE, len(read_jsonl(task))) if Path(task).is_file() else SIZE
