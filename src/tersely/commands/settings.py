"""Recipe, options and --set of the verbs that train: one configuration."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import DROP, VERIFIER
from tersely.errors import UserError

if TYPE_CHECKING:
    from tersely.config import TrainConfig


def add_training_options(p: argparse.ArgumentParser, *, alpha: bool = True) -> None:
    """``alpha``: whether it is one number, to be given."""
    p.add_argument(
        "recipe_name", nargs="?", metavar="RECIPE", default=None,
        help="paper-1.5b (also where --model alone is given), paper-7b, released-code, dler, dot, l1, tiny, "
        "tiny-countdown, tiny-ordering, or a file",
    )  # fmt: skip
    p.add_argument("--model", default=None, help="folder or hub id of a causal language model, or a run folder")
    p.add_argument("--revision", default=None, help="branch, tag or commit of a hub id")
    p.add_argument(
        "--task",
        default=None,
        help="an embedded task such as arithmetic, a named one such as gsm8k, or a file of problems with answers",
    )
    if alpha:
        p.add_argument("--alpha", type=float, default=None, help="length pressure in [0, 1)")
    p.add_argument("--recipe", default=None, help="the same as RECIPE")
    p.add_argument("--seed", type=int, default=None, help="of every random choice (default 0)")
    p.add_argument("--steps", type=int, default=None, help="iterations")
    p.add_argument("--template", default=None, help="question, boxed, paper-raw, plain, or text with {question} in it")
    p.add_argument("--verifier", default=None, metavar="MODULE:NAME", help=VERIFIER)
    p.add_argument("--drop-unjudgeable", action="store_true", default=None, help=DROP)
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, by its full name")


DEFAULT_RECIPE = "paper-1.5b"


def training_config(args: argparse.Namespace) -> TrainConfig:
    """Recipe, then options, then --set; what stands later wins."""
    from tersely.config import assemble

    given: dict[str, Any] = {}
    for name, place in (("alpha", "objective"), ("steps", "run")):
        if (value := getattr(args, name, None)) is not None:
            given.setdefault(place, {})[name] = value
    for name in ("model", "task", "seed", "template", "revision", "verifier", "drop_unjudgeable"):
        if (value := getattr(args, name)) is not None:
            given[name] = value
    return assemble(_recipe(args), given, args.set)


def _recipe(args: argparse.Namespace) -> str | None:
    """The recipe's name, wherever it stands; the paper's where a model is given and nothing else says what to do."""
    if args.recipe and args.recipe_name:
        raise UserError(f"two recipes are named, {args.recipe_name} and {args.recipe}: name one")
    named: str | None = args.recipe or args.recipe_name
    if named is not None:
        _require_recipe(named)
    if named is None and args.model is None:
        of_a_run = "; to look at a run that has begun give --run RUN alone" if args.verb == "plan" else ""
        raise UserError(f"nothing says what to train: give --model MODEL, or a recipe such as paper-1.5b{of_a_run}")
    return named if named or args.task else DEFAULT_RECIPE


def _require_recipe(named: str) -> None:
    """UserError for what is a model or a file of problems, and stands where a recipe is named."""
    if Path(named).is_dir() or ("/" in named and not named.endswith((".toml", ".jsonl"))):
        raise UserError(f"{named} stands where a recipe is named: if it is a model, use --model {shlex.quote(named)}")
    if named.endswith((".jsonl", ".csv", ".json")):
        raise UserError(
            f"{named} stands where a recipe is named: if it holds problems, use --task {shlex.quote(named)}"
        )
