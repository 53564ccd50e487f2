"""Counts of phrases that show verification, backtracking and exploration in a response.

The default lists are those of the paper (arXiv:2502.04463, table on reasoning behaviours). A phrase counts wherever
it stands as whole words, whatever its case; "checked" is not "check". Phrases are a proxy: a model may verify without
saying so, so compare counts between models of one family and do not read them as absolutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from tersely.errors import UserError

Phrases = Mapping[str, Iterable[str]]

PHRASES: dict[str, tuple[str, ...]] = {
    "verification": ("check", "verify", "confirm"),
    "backtracking": ("wait", "actually", "on second thought"),
    "exploration": ("alternatively", "another way"),
}


def count_behaviours(text: str, phrases: Phrases = PHRASES) -> dict[str, int]:
    """Occurrences of each behaviour's phrases in ``text``, without overlaps within a behaviour.

    A list that is empty, or a phrase without a letter or digit, is a UserError.

    Example: ``count_behaviours("Wait, let me check.") == {"verification": 1, "backtracking": 1, "exploration": 0}``
    """
    return {name: len(_pattern(name, tuple(words)).findall(text)) for name, words in phrases.items()}


def find_behaviours(text: str, phrases: Phrases = PHRASES) -> list[tuple[int, int, int]]:
    """Where they stand: (start, end, place of the behaviour in ``phrases``), by start."""
    patterns = [_pattern(name, tuple(words)) for name, words in phrases.items()]
    return sorted((m.start(), m.end(), place) for place, p in enumerate(patterns) for m in p.finditer(text))


@lru_cache(maxsize=64)
def _pattern(name: str, words: tuple[str, ...]) -> re.Pattern[str]:
    """One expression a behaviour: longest phrase first, any white space between words, word boundaries outside."""
    if not words or not all(re.search(r"\w", word) for word in words):
        raise UserError(f"the phrases of behaviour {name!r} must each hold a letter or digit: give at least one")
    parts = [r"\s+".join(map(re.escape, word.split())) for word in sorted(words, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)
