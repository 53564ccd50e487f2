"""`laconic train` and what is looked at before it: `laconic plan`, `laconic profile`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laconic.commands.verb import add_engine, add_verb, command_line, folder_in, label
from laconic.errors import UserError

if TYPE_CHECKING:
    from laconic.config import TrainConfig
    from laconic.plan.sample import Sample


def add_train(verbs: Any) -> None:
    p = add_verb(verbs, "train", run_train, "train a model by reinforcement learning with the length-penalised reward")
    p.add_argument("--out", type=Path, default=None, help="run folder (default runs/MODEL-alpha-ALPHA)")
    _training_options(p)


def run_train(args: argparse.Namespace) -> int:
    config = training_config(args)
    from laconic.display import make_display, speaks
    from laconic.learn.loop import train

    out = args.out or usual_folder(config)
    with make_display(f"alpha {config.objective.alpha:g}") as display:
        train(config, out, display)
    if speaks():
        print(f"trained: {out} (next: {_next(config, out)})")
    return 0


def usual_folder(config: TrainConfig) -> Path:
    seed = f"-seed-{config.seed}" if config.seed else ""
    return Path("runs") / f"{Path(config.model).name}-alpha-{config.objective.alpha:g}{seed}"


def _next(config: TrainConfig, out: Path) -> str:
    """What to run now: problems that were trained on measure nothing."""
    held_out = "arithmetic" if config.task == "arithmetic" else "HELD_OUT --out evaluations"
    return f"laconic evaluate {config.model} {out} --task {held_out}"


def add_plan(verbs: Any) -> None:
    p = add_verb(verbs, "plan", run_plan, "memory, time and what stands against a training run, before its first step")
    _training_options(p)
    p.add_argument("--run", type=Path, default=None, help="compare with what this training run has measured, instead")
    p.add_argument("--sample", type=int, default=None, metavar="N", help="load the model and answer N problems once")
    p.add_argument("--mean-length", type=float, default=None, help="mean response in tokens under the cap")
    p.add_argument("--profile", type=Path, default=None, help="result of `laconic profile` to take lengths from")
    p.add_argument("--gpu-memory", type=float, default=None, metavar="GB", help="plan for a GPU of this size")
    p.add_argument("--machine", type=Path, default=None, metavar="FILE.json", help="measured ceilings of the GPU")
    p.add_argument("--gpus", type=int, default=1, help="GPUs to share the work (default 1)")
    p.add_argument("--json", action="store_true", help="print JSON")


def run_plan(args: argparse.Namespace) -> int:
    import json

    from laconic.plan.run import Inputs, make_plan
    from laconic.plan.table import print_plan

    if args.run:
        return _compare(args)
    config, sample = training_config(args), _sample(args)
    inputs = Inputs(
        args.mean_length, args.profile, args.gpu_memory, args.machine, args.gpus, sample.profile() if sample else None
    )
    plan = make_plan(config, inputs)
    if sample:
        plan.notes.insert(0, sample.sentence())
    if args.json:
        print(json.dumps(plan.to_json(), indent=1, allow_nan=False))
    else:
        print_plan(plan)
    return 2 if plan.refusals else 0


def _compare(args: argparse.Namespace) -> int:
    import json

    from laconic.plan.compare import compare
    from laconic.plan.table import print_comparison
    from laconic.plan.time import read_machine

    found = compare(args.run, read_machine(args.machine) if args.machine else None, args.gpus)
    if args.json:
        print(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        print_comparison(found)
    return 0


def _sample(args: argparse.Namespace) -> Sample | None:
    if args.sample is None:
        return None
    from laconic.display import make_display
    from laconic.learn.probe import sample_base

    with make_display("plan") as display:
        return sample_base(training_config(args), args.sample, display)


def add_profile(verbs: Any) -> None:
    p = add_verb(verbs, "profile", run_profile, "pass rates, lengths and signal of a model before it is trained")
    p.add_argument("model", type=Path, metavar="MODEL", help="folder or hub id of a model, or a run folder")
    p.add_argument("--task", required=True, help="task to be trained on: its name or a JSONL file")
    p.add_argument("--size", type=int, default=128, help="problems (default 128)")
    p.add_argument("--k", type=int, default=8, help="responses a problem (default 8)")
    p.add_argument("--temperature", type=float, default=1.0, help="default 1, that of training")
    p.add_argument("--max-new-tokens", type=int, default=None, help="default: what it was trained with, or 32000")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--template", default=None, help="default: what the model was trained with, or boxed")
    p.add_argument("--other-template", action="store_true", help="allow another template than trained with")
    p.add_argument("--out", type=Path, default=None, help="folder for the profile (needed for foreign models)")
    p.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    add_engine(p)


def run_profile(args: argparse.Namespace) -> int:
    from laconic.display import make_display
    from laconic.evaluate.profile import print_profile, profile, read_profile
    from laconic.evaluate.protocol import EvalProtocol

    with make_display(f"profile {label(args.model)}") as display:
        path = profile(
            args.model,
            lambda cap: EvalProtocol(
                task=args.task,
                size=args.size,
                k=args.k,
                max_new_tokens=args.max_new_tokens or cap,
                temperature=args.temperature,
                seed=args.seed,
                template=args.template,
            ),
            folder_in(args.out, args.model) if args.out else None,
            display,
            command=command_line(),
            other_template=args.other_template,
            threads=args.threads,
            engine=args.engine,
            max_rows=args.max_rows,
        )
    print_profile(read_profile(path))
    print(f"profile: {path} (next: laconic plan --model {args.model} --task {args.task} --profile {path})")
    return 0


def _training_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "recipe_name", nargs="?", metavar="RECIPE", default=None,
        help="paper-1.5b (also where --model alone is given), paper-7b, released-code, tiny, or a TOML file",
    )  # fmt: skip
    p.add_argument("--model", default=None, help="folder or hub id of a causal language model, or a run folder")
    p.add_argument("--revision", default=None, help="branch, tag or commit of a hub id")
    p.add_argument(
        "--task",
        default=None,
        help="'arithmetic', a named task such as gsm8k, or a JSONL file with problem and answer a line",
    )
    p.add_argument("--alpha", type=float, default=None, help="length pressure in [0, 1)")
    p.add_argument("--recipe", default=None, help="the same as RECIPE")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--steps", type=int, default=None, help="iterations")
    p.add_argument("--template", default=None, help="prompt template: question, boxed, paper-raw or plain")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, by its full name")


DEFAULT_RECIPE = "paper-1.5b"


def training_config(args: argparse.Namespace) -> TrainConfig:
    """Recipe, then options, then --set; what stands later wins."""
    from laconic.config import merge, read_recipe, resolve, set_key

    recipe = _recipe(args)
    settings = read_recipe(recipe) if recipe else {}
    given: dict[str, Any] = {}
    for name, place in (("alpha", "objective"), ("steps", "run")):
        if (value := getattr(args, name)) is not None:
            given.setdefault(place, {})[name] = value
    for name in ("model", "task", "seed", "template", "revision"):
        if (value := getattr(args, name)) is not None:
            given[name] = value
    if args.task is not None and args.task != settings.get("task"):
        # A recipe's size is of its own task.
        settings.pop("train_size", None)
    settings = merge(settings, given)
    for assignment in args.set:
        set_key(settings, assignment)
    return resolve(settings)


def _recipe(args: argparse.Namespace) -> str | None:
    """The recipe's name, wherever it stands; the paper's where a model is given and nothing else says what to do."""
    if args.recipe and args.recipe_name:
        raise UserError(f"two recipes are named, {args.recipe_name} and {args.recipe}: name one")
    named: str | None = args.recipe or args.recipe_name
    if named is None and args.model is None:
        of_a_run = "; to look at a run that has begun give --run RUN alone" if args.verb == "plan" else ""
        raise UserError(f"nothing says what to train: give --model MODEL, or a recipe such as paper-1.5b{of_a_run}")
    return named if named or args.task else DEFAULT_RECIPE
