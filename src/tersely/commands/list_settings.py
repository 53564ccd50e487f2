"""`tersely settings`: what can be set, and what it means."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb
from tersely.terminal import make_console, say

if TYPE_CHECKING:
    from tersely.reference import Setting


def add_settings(verbs: Any) -> None:
    what = "every setting of a training run: default, what it takes, what it means"
    p = add_verb(verbs, "settings", run_settings, what)
    p.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="only settings called so, or about this")


def all_settings() -> list[Setting]:
    """Those of training, and those that baselines have besides."""
    from tersely.baselines.settings import TuningConfig
    from tersely.config import TrainConfig
    from tersely.reference import settings_of

    return [*settings_of(TrainConfig), *settings_of(TuningConfig, "tuning.")]


def run_settings(args: argparse.Namespace) -> int:
    from tersely.reference import as_text, matching

    console = make_console()
    # In a file or a pipe every meaning is one line, for those who search.
    width = min(console.width, 110) if console.is_terminal else 10_000
    say(as_text(matching(all_settings(), args.pattern), width))
    return 0
