"""Every sentence of ``words.toml`` is said somewhere, and every sentence that is said stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tersely.page.words import say

PAGE = Path(__file__).parents[2] / "src" / "tersely" / "page"
WORDS = tomllib.loads((PAGE / "words.toml").read_text(encoding="utf-8"))
NAMED = re.compile(r'"([a-z_]+\.(?!json|toml)[a-z_]+)"')


PICKED = ("rule", "plane", "findings")
"""Blocks whose sentences are picked by name alone: ``rule("likely")``, ``say(f"plane.{name}")``."""


def test_no_sentence_is_missing_and_none_is_dead() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in PAGE.rglob("*.py")).replace("'", '"')
    there = {f"{block}.{name}" for block, sentences in WORDS.items() for name in sentences}
    assert {name for name in NAMED.findall(source) if name.partition(".")[0] in WORDS} <= there
    for name in there:
        block, _, what = name.partition(".")
        assert f'"{name}"' in source or (block in PICKED and f'"{what}"' in source), name


def test_a_sentence_holds_what_it_is_given() -> None:
    assert say("mind.single", dataset="{x}") == "{x} holds a single problem: nothing measured on it has an interval."
    with pytest.raises(KeyError):
        say("mind.single")
