"""Options and configuration that `tersely baseline` and `tersely distill` share."""

from __future__ import annotations

import argparse
from typing import Any

from tersely.commands.verb import DROP, VERIFIER
from tersely.errors import UserError

SHARED = ("model", "revision", "task", "verifier", "drop_unjudgeable", "template", "train_size", "n")
"""Options that samples made before have decided already."""


def add_baseline_options(p: argparse.ArgumentParser) -> None:
    said = "of a hub id (distill: the teacher's, or with --demonstrations the student's)"
    p.add_argument("--revision", default=None, help=said)
    p.add_argument("--recipe", default=None, help="training recipe to take template, sampling and optimizer from")
    p.add_argument("--template", default=None, help="question, boxed, paper-raw, plain, or text with {question} in it")
    p.add_argument("--verifier", default=None, metavar="MODULE:NAME", help=VERIFIER)
    p.add_argument("--drop-unjudgeable", action="store_true", default=None, help=DROP)
    p.add_argument("--learning-rate", type=float, default=None, help="the paper tried 1e-5, 5e-6 and 2e-6")
    p.add_argument("--epochs", type=int, default=None, help="passes over the examples (default 1)")
    p.add_argument("--seed", type=int, default=None, help="of every random choice (default 0)")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, by its full name")


def baseline_settings(args: argparse.Namespace) -> dict[str, Any]:
    from tersely.baselines.settings import from_recipe
    from tersely.config import merge, read_recipe, set_key

    if args.samples is not None:
        given = [f"--{name.replace('_', '-')}" for name in SHARED if getattr(args, name, None) is not None]
        if given:
            raise UserError(f"the samples in {args.samples} decide {' and '.join(given)}: leave that out")
    settings = merge({}, from_recipe(read_recipe(args.recipe))) if args.recipe else {}
    if args.samples is not None:
        from tersely.baselines.kept import read_samples_identity

        settings = merge(settings, read_samples_identity(args.samples).settings)
    for name, section in (("n", "sampling"), ("learning_rate", "tuning"), ("epochs", "tuning")):
        if (value := getattr(args, name)) is not None:
            settings = merge(settings, {section: {name: value}})
    for name in ("model", "revision", "task", "verifier", "drop_unjudgeable", "template", "train_size", "seed"):
        if (value := getattr(args, name)) is not None:
            settings[name] = value
    for assignment in args.set:
        set_key(settings, assignment)
    return settings
