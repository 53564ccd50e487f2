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


def test_no_sentence_is_missing_and_none_is_dead() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in PAGE.rglob("*.py"))
    there = {f"{block}.{name}" for block, sentences in WORDS.items() for name in sentences}
    assert {name for name in NAMED.findall(source) if name.partition(".")[0] in WORDS} <= there
    # Blocks whose sentences are picked by name: rule("likely"), say(f"plane.{name}"), say(f"findings.{what}").
    picked = {
        name
        for name in there
        if name.startswith(("rule.", "plane.")) or name in ("findings.tokens", "findings.accuracy")
    }
    assert all(f'"{name.partition(".")[2]}"' in source for name in picked)
    assert there - set(NAMED.findall(source)) <= picked


def test_a_sentence_holds_what_it_is_given() -> None:
    assert say("mind.single", dataset="{x}") == "{x} holds a single problem: nothing measured on it has an interval."
    with pytest.raises(KeyError):
        say("mind.single")
