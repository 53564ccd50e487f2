"""The words of the page: ``words.toml`` holds its longer sentences, so that all can be read in one sitting."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((resources.files("tersely.page") / "words.toml").read_text(encoding="utf-8"))


def say(name: str, **values: object) -> str:
    """A sentence by its name, "block.what", with the values in its places."""
    block, _, what = name.partition(".")
    return _words()[block][what].format(**values)
