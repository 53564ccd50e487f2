"""Every verb's --help: one example that parses, a word for every option, and every choice by name."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Collection

import pytest

from tersely.cli import build_parser
from tersely.commands.examples import EXAMPLES
from tersely.config import recipe_names
from tersely.objective.advantage import ADVANTAGES, NORMALIZATIONS
from tersely.objective.methods import METHODS
from tersely.tasks.instructions import SENTENCES
from tersely.tasks.prompts import TEMPLATES
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.verify import KINDS


def verbs() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._actions
    return next(dict(a.choices) for a in actions if isinstance(a, argparse._SubParsersAction))


VERBS = verbs()


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_ends_with_an_example_that_parses(verb: str) -> None:
    examples = [line for line in VERBS[verb].format_help().splitlines() if line.startswith("example: ")]
    assert examples == [f"example: {EXAMPLES[verb]}"]
    name, *words = shlex.split(EXAMPLES[verb])
    assert (name, build_parser().parse_args(words).verb) == ("tersely", verb)


def test_there_is_no_example_of_a_verb_that_is_gone() -> None:
    assert set(EXAMPLES) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_a_word_of_help_and_names_its_choices(verb: str) -> None:
    for action in VERBS[verb]._actions:
        said = f"{action.help or ''} {action.metavar or ''}"
        assert action.help, (verb, action.dest)
        if action.choices is not None:
            shown = action.metavar is None or all(str(choice) in said for choice in action.choices)
            assert shown, (verb, action.dest)


@pytest.mark.parametrize(
    ("verb", "option", "members"),
    [
        ("train", "--template", TEMPLATES),
        ("plan", "--template", TEMPLATES),
        ("baseline", "--template", TEMPLATES),
        ("score", "--method", METHODS),
        ("score", "--advantage", ADVANTAGES),
        ("score", "--normalize", NORMALIZATIONS),
        ("evaluate", "--instruction", SENTENCES),
        ("verify", "--kind", KINDS),
        ("base", "--task", EMBEDDED_TASKS),
        ("train", "recipe_name", recipe_names()),
        ("tune", "recipe_name", recipe_names()),
    ],
)
def test_an_option_that_names_a_member_of_a_table_lists_all_of_them(
    verb: str, option: str, members: Collection[str]
) -> None:
    said = next(action.help for action in VERBS[verb]._actions if option in (action.dest, *action.option_strings))
    assert said is not None
    assert [member for member in members if member not in said] == []
