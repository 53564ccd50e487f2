"""The words of the page: ``words.toml`` holds its longer sentences, so that all can be read in one sitting."""

from __future__ import annotations

import tomllib
from importlib import resources

WORDS = tomllib.loads((resources.files("tersely.page") / "words.toml").read_text(encoding="utf-8"))


def say(name: str, **values: object) -> str:
    """A sentence by its name, "block.what", with the values in its places."""
    block, _, what = name.partition(".")
    return str(WORDS[block][what]).format(**values)
