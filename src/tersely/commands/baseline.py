"""`tersely baseline`: the alternatives that the method is compared with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.baseline_settings import add_baseline_options, baseline_settings
from tersely.commands.verb import add_verb, next_evaluation, paste
from tersely.errors import UserError
from tersely.terminal import say

NAMES = ("samples", "sft", "iterated-sft", "dpo", "o1-pruner")
ROUNDS = 6
"""Of iterated SFT, unless others are asked for."""


def add_baseline(verbs: Any) -> None:
    text = "train one of the simple alternatives: sft, iterated-sft, dpo or o1-pruner (or draw the samples for them)"
    p = add_verb(verbs, "baseline", run_baseline, text)
    p.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    p.add_argument("--out", type=Path, required=True, help="run folder to make or go on with")
    p.add_argument("--samples", type=Path, default=None, help="samples made before, so that none are drawn")
    p.add_argument("--model", default=None, help="folder or hub id of a causal language model, or a run folder")
    p.add_argument("--task", default=None, help="an embedded task such as arithmetic, a named task, or a JSONL file")
    p.add_argument("--n", type=int, default=None, help="responses a problem (default 8)")
    p.add_argument("--train-size", type=int, default=None, help="problems (default: all of the task's)")
    only = p.add_argument_group("iterated-sft alone")
    only.add_argument("--rounds", type=int, default=None, help=f"of sampling and learning (default {ROUNDS})")
    budget = only.add_mutually_exclusive_group()
    budget.add_argument("--like", type=Path, default=None, metavar="RUN", help="sample as many tokens as this run did")
    budget.add_argument("--tokens", type=int, default=None, help="sample so many tokens")
    add_baseline_options(p)
    served = p.add_argument_group("samples alone", "drawn where --model is served by vLLM; docs/endpoint.md")
    served.add_argument("--endpoint", default=None, metavar="URL", help="its address, such as http://127.0.0.1:8000/v1")
    served.add_argument("--served-as", default=None, metavar="NAME", help="what the server calls it (default: --model)")
    served.add_argument("--concurrency", type=int, default=None, metavar="N", help="requests at once (default 64)")


def run_baseline(args: argparse.Namespace) -> int:
    from tersely.baselines.settings import resolve_baseline, resolve_samples

    _require_its_own(args)
    settings = baseline_settings(args)
    if args.name == "samples":
        if args.samples or args.learning_rate or args.epochs:
            raise UserError("baseline samples only draws: --samples, --learning-rate and --epochs have no meaning here")
        samples_config = resolve_samples(settings)
        _draw(samples_config, args)
        following = paste("baseline", "sft", "--samples", args.out, "--learning-rate", "5e-6", "--out", "RUN")
        say(f"samples: {args.out} (next: {following})")
        return 0
    config = resolve_baseline(args.name, settings)
    from tersely.display import make_display

    with make_display(args.name) as display:
        if args.name == "iterated-sft":
            _iterate(config, args, display)
        else:
            from tersely.baselines.run import run_baseline as run

            run(args.name, config, args.out, args.samples, display)
    following = next_evaluation(config.model, args.out, config.task, config.verifier)
    say(f"trained: {args.out} (next: {following})")
    return 0


def _require_its_own(args: argparse.Namespace) -> None:
    """UserError for options that mean nothing to this baseline, and where iterated SFT is given no budget."""
    iterated = args.name == "iterated-sft"
    given = [f"--{name}" for name in ("rounds", "like", "tokens") if getattr(args, name) is not None]
    if given and not iterated:
        raise UserError(f"{given[0]} is for iterated-sft: leave it out")
    if args.endpoint is not None and args.name != "samples":
        raise UserError(
            f"{args.name} learns from samples, and only those come from a server: draw them with `tersely baseline "
            "samples --endpoint URL`, and name their folder with --samples"
        )
    apart = [f"--{name.replace('_', '-')}" for name in ("served_as", "concurrency") if getattr(args, name) is not None]
    if apart and args.endpoint is None:
        option = apart[0]
        raise UserError(f"{option} speaks of a server: name that with --endpoint URL, or leave {option} out")
    if iterated and args.samples:
        raise UserError("iterated-sft draws its own samples in every round: leave --samples out")
    if iterated and args.like is None and args.tokens is None:
        raise UserError("iterated-sft needs a budget: --like RUN (as many tokens as that run sampled) or --tokens N")


def _iterate(config: Any, args: argparse.Namespace, display: Any) -> None:
    from tersely.baselines.iterated import Rounds, run_iterated, tokens_sampled_by

    tokens = args.tokens if args.like is None else tokens_sampled_by(args.like)
    run_iterated(config, Rounds(ROUNDS if args.rounds is None else args.rounds, tokens), args.out, display)


def _draw(config: Any, args: argparse.Namespace) -> None:
    from tersely.baselines.samples import draw_samples
    from tersely.display import make_display
    from tersely.samplers.endpoint import endpoint_at

    wide = {} if args.concurrency is None else {"concurrency": args.concurrency}
    served = None if args.endpoint is None else endpoint_at(args.endpoint, args.served_as or config.model, **wide)
    with make_display("samples") as display:
        draw_samples(config, args.out, display, endpoint=served)
