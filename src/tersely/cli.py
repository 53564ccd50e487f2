"""The command line: parse, call, say what went wrong. The verbs themselves are in ``tersely.commands``."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tersely import __version__
from tersely.commands import (
    ablate,
    base,
    baseline,
    behaviours,
    compare,
    distill,
    evaluate,
    faithfulness,
    import_logs,
    list_settings,
    plan,
    prepare,
    profile,
    publish,
    quickstart,
    replay,
    report,
    score,
    show,
    sweep,
    train,
    tune,
    verify,
    waste,
)
from tersely.commands.verb import Handler
from tersely.errors import TerselyError, UserError, nearest
from tersely.terminal import say, stay_encodable

VERBS = (
    quickstart.add_quickstart,
    base.add_base,
    prepare.add_prepare,
    plan.add_plan,
    profile.add_profile,
    train.add_train,
    tune.add_tune,
    baseline.add_baseline,
    distill.add_distill,
    sweep.add_sweep,
    ablate.add_ablate,
    evaluate.add_evaluate,
    behaviours.add_behaviours,
    faithfulness.add_faithfulness,
    show.add_show,
    report.add_report,
    compare.add_compare,
    verify.add_verify,
    waste.add_waste,
    import_logs.add_import,
    score.add_score,
    list_settings.add_settings,
    replay.add_replay,
    publish.add_publish,
)
"""In the order of ``tersely --help``."""


GO_ON = {
    "quickstart",
    "base",
    "profile",
    "train",
    "tune",
    "baseline",
    "distill",
    "sweep",
    "ablate",
    "evaluate",
    "faithfulness",
}
"""Verbs that save while they work."""
OTHERWISE = {"sampling.n": "--k"}
"""Options of verbs that measure, where a setting of training has another name."""
NOTHING_SAVED = "it saves nothing on the way, so run the same command again"


def settable(verb: str) -> list[str]:
    """Full names of what --set of a verb takes; none where they are an objective's own."""
    from tersely.baselines.settings import BaselineConfig
    from tersely.config import known_keys

    return [] if verb == "score" else known_keys(BaselineConfig) if verb in ("baseline", "distill") else known_keys()


class Parser(argparse.ArgumentParser):
    """One clear sentence for a mistake, with the nearest known word, and exit code 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")  # also -1e-5

    def error(self, message: str) -> NoReturn:
        say(f"tersely: {self._meant(message)}; see `{self.prog} --help`", error=True)
        raise SystemExit(2)

    def _meant(self, message: str) -> str:
        """The message, with the nearest known word where one was unknown; whatever else is wrong, it says itself."""
        if choice := re.match(r"argument (.*?): invalid choice: '(.*)' \(choose from (.*)\)", message):
            what, wrong, known = choice[1], choice[2], choice[3].replace("'", "").split(", ")
            return f"unknown {what} {wrong!r}{nearest(wrong, known, 0.7)}: choose one of {', '.join(known)}"
        if not message.startswith("unrecognized arguments: "):
            return message
        words = self._words()
        unknown = [word.split("=")[0] for word in message.partition(": ")[2].split() if word not in words]
        return message + next((n for word in unknown if word.strip("-") and (n := nearest(word, words, 0.7))), "")

    def refuse_unknown(self, verb: str, extra: Sequence[str], given: Sequence[str]) -> NoReturn:
        """Exit with what the first of the words ``extra``, which this verb does not know, was meant to be."""
        from tersely.config import known_keys
        from tersely.setting_names import setting_of

        options = [word for word in extra if word.startswith("-")]
        name, _, value = (options or list(extra))[0].partition("=")
        after = given[given.index(name) + 1 :][:1] if name in given else []
        value = value or next((word for word in after if not word.startswith("-")), "...")
        own = self._words()
        key = setting_of(name.lstrip("-").replace("-", "_"), known_keys()) if options else None
        hint = nearest(name, own, 0.7)
        if key is not None:
            likely = (f"--{key.rpartition('.')[2].replace('_', '-')}", OTHERWISE.get(key))
            option = next((option for option in likely if option in own), None)
            if option is not None or ("--set" in own and key in settable(verb)):
                hint = f": use {f'--set {key}={value}' if option is None else f'{option} {value}'}"
        what = f"no option {name}" if options else f"no use for {name!r}"
        say(f"tersely: {verb} has {what}{hint}; see `{self.prog} --help`", error=True)
        raise SystemExit(2)

    @property
    def verbs(self) -> Mapping[str, Parser]:
        """By name."""
        return next(action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction))

    def _words(self) -> list[str]:
        """Every option and verb known from here on: an unknown option of a verb is reported by the parser above it."""
        words = [option for action in self._actions for option in action.option_strings if option != "--help"]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                words += list(action.choices)
                words += [w for verb in action.choices.values() if isinstance(verb, Parser) for w in verb._words()]
        return words


def build_parser() -> Parser:
    parser = Parser(
        prog="tersely",
        description="Train reasoning models to reach the right answer with fewer tokens, and prove what was "
        "gained and lost.",
    )
    parser.add_argument("--version", action="version", version=f"tersely {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    for add in VERBS:
        add(verbs)
    return parser


def _require_text(words: Sequence[str]) -> None:
    """UserError for a word that no file can hold: records, logs and pages name what they were made of."""
    for word in words:
        if "\0" in word or word != word.encode("utf-8", "replace").decode():
            raise UserError(f"{word!r} is no text that a file can hold (UTF-8 without NUL): rename it")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 unexpected, 2 the user's input, 3 the run cannot go on, 4 the disk, 5 a health rule,
    128+n stopped."""
    stay_encodable()
    parser = build_parser()
    args, extra = parser.parse_known_args(argv)
    if extra:
        parser.verbs[args.verb].refuse_unknown(args.verb, extra, sys.argv[1:] if argv is None else argv)
    from tersely.stop import Stopped, end_with_parent, hear_interrupts

    end_with_parent()
    try:
        hear_interrupts()
        _require_text(sys.argv[1:] if argv is None else argv)
        handler: Handler = args.handler
        return handler(args)
    except TerselyError as error:
        if args.debug:
            raise
        say(f"tersely: {error}", error=True)
        return error.exit_code
    except Stopped as stopped:
        say(f"tersely: {stopped}", error=True)
        return stopped.exit_code
    except KeyboardInterrupt as stopped:
        said = "what was saved stays, and the same command goes on from there" if args.verb in GO_ON else NOTHING_SAVED
        say(f"tersely: interrupted; {said}", error=True)
        return 128 + getattr(stopped, "signum", signal.SIGINT)
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing is left to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
