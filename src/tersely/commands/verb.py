"""What every verb shares."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from tersely.commands.examples import EXAMPLES
from tersely.errors import UserError
from tersely.text import from_markdown_cell

Handler = Callable[[argparse.Namespace], int]


def add_verb(verbs: Any, name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
    """The verb's parser, its example at the end of its --help."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.epilog = f"example: {EXAMPLES[name]}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(handler=handler)
    return parser


def add_engine(parser: argparse.ArgumentParser) -> None:
    what = "what decodes: vllm, transformers or package.module:SPEC (default: vllm on a GPU that has it)"
    parser.add_argument("--engine", default="auto", metavar="NAME", help=what)
    parser.add_argument("--max-rows", type=int, default=256, help="responses decoded at once (default 256)")


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    what = "an option of the engine by its own name, such as kv_cache_dtype=fp8: a point of its own (docs/scaling.md)"
    parser.add_argument("--engine-option", action="append", default=[], metavar="KEY=VALUE", help=what)


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given; UserError for one that is not KEY=VALUE, and for one that is given twice."""
    from tersely.config import set_key

    found: dict[str, Any] = {}
    keys = [one.partition("=")[0] for one in args.engine_option]
    for key, one in zip(keys, args.engine_option, strict=True):
        if not one.partition("=")[2]:
            raise UserError(f"--engine-option {one!r} is not of the form KEY=VALUE, for example kv_cache_dtype=fp8")
        if keys.count(key) > 1:
            raise UserError(f"--engine-option {key} is given twice: all of them together are one point, give it once")
        set_key(found, one)
    return found


def engine_point(args: argparse.Namespace) -> str | None:
    """What the engine was asked for, as a protocol records it; None for nothing. The order means nothing."""
    return " ".join(sorted(args.engine_option)) or None


DROP = "leave out problems whose gold answers cannot be judged, which are otherwise refused"
VERIFIER = "your own check of a response, in place of the judge"


def add_verifier(parser: argparse.ArgumentParser) -> None:
    """For the verbs that measure a model: with what, and whether it may be something else than in training."""
    parser.add_argument("--verifier", default=None, metavar="MODULE:NAME", help=VERIFIER)
    parser.add_argument("--other-verifier", action="store_true", help="allow another verifier than trained with")
    parser.add_argument("--drop-unjudgeable", action="store_true", help=DROP)


def kept_checkpoints(run: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every kept checkpoint, of older ones the weights, earliest first."""
    from tersely.runs.identity import is_run_folder
    from tersely.runs.manifest import model_folders

    if not is_run_folder(run):
        raise UserError(f"{run} is not a run folder of tersely, so it has no checkpoints: leave --all-checkpoints out")
    found = sorted(model_folders(run))
    if not found:
        raise UserError(f"{run} has no checkpoint yet: run its command again, it goes on where it stopped")
    return found


def label(model: Path) -> str:
    """What a model is called by: the name of its folder."""
    return model.resolve().name


def out_for(model: Path, models: Sequence[Path], out: Path | None) -> Path | None:
    """Where --out puts a model's results; None: in its own run folder, where the later commands look for them.

    Beside a foreign model, for which --out must be given, run folders keep theirs; runs alone go where they are sent.
    """
    from tersely.runs.identity import is_run_folder

    if out is None or (is_run_folder(model) and not all(map(is_run_folder, models))):
        return None
    return folder_in(out, model)


def folder_in(out: Path, model: Path) -> Path:
    """The model's own folder in ``out``; UserError where a link stands there."""
    from tersely.runs import places

    folder = out / label(model)
    places.require_no_links(folder, below=out)
    return folder


def efforts_of(models: Sequence[Path], effort: str | None) -> list[str | None]:
    """The level of effort to ask each model for: the given one, of those that were trained for levels. UserError where
    none of them was."""
    from tersely.evaluation.terms import pick_efforts, require_any_effort
    from tersely.models.locate import locate_model

    if effort is None:
        return [None for _ in models]
    weights = [locate_model(str(model)) for model in models]
    require_any_effort(weights, [effort])
    return [next(iter(pick_efforts(one, [effort])), None) for one in weights]


def paste(*words: str | Path) -> str:
    """A command of ours as it can be pasted into a shell."""
    return shlex.join(["tersely", *map(str, words)])


def command_line() -> str:
    """The command as it was given, for those who want to repeat it."""
    return paste(*sys.argv[1:])


def next_evaluation(model: str, run: Path, task: str, verifier: str | None) -> str:
    """What to run after training: problems that were trained on measure nothing, and a foreign model needs a place."""
    from tersely.tasks.sources.embedded import EMBEDDED_TASKS

    held_out = task if task in EMBEDDED_TASKS else "HELD_OUT"
    judged = ["--verifier", verifier] if verifier else []
    return paste("evaluate", model, run, "--task", held_out, "--out", "evaluations", *judged)


def message_of(markdown: Path) -> str:
    """What a page says first, as plain text: headline, findings and warnings, up to its first figure or table."""
    said = takewhile(lambda line: line.startswith(("# ", "- ")), filter(str.strip, _lines(markdown)))
    return "\n".join(from_markdown_cell(line.removeprefix("# ")) for line in said)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
