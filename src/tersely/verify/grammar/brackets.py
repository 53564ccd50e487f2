"""Brackets in cleaned LaTeX: splitting outside them, dropping those that enclose everything."""

from __future__ import annotations

import re

from tersely.verify.grammar.tokens import Unparsed

MAX_PARENTHESES = 40
_SEPARATOR = re.compile(r"[,;]")


def split(text: str, separators: re.Pattern[str] | str) -> tuple[list[str], list[str]]:
    """Pieces of ``text`` between separators outside all brackets, and the separators found."""
    pattern = re.compile(re.escape(separators)) if isinstance(separators, str) else separators
    pieces, found, depth, start, i = [], [], 0, 0, 0
    while i < len(text):
        if depth == 0 and (match := pattern.match(text, i)):
            pieces.append(text[start:i].strip())
            found.append(match.group().strip())
            i = start = match.end()
            continue
        char = text[i]
        if char == "\\" and i + 1 < len(text):
            char = text[i + 1]
            i += 1
            if text.startswith(("langle", "lfloor", "lceil", "begin"), i):
                depth += 1
            elif text.startswith(("rangle", "rfloor", "rceil", "end{"), i):
                depth -= 1
        depth += (char in "([{") - (char in ")]}")
        i += 1
    if depth != 0:
        raise Unparsed("brackets that do not match")
    return [*pieces, text[start:].strip()], found


def without_parentheses(text: str) -> str:
    """``((7))`` -> ``7``, where the parentheses enclose the whole text and hold no list."""
    for _ in range(MAX_PARENTHESES):
        if not (text.startswith("(") and text.endswith(")")) or closes_early(text):
            break
        inner = text[1:-1].strip()
        if not inner or (_SEPARATOR.search(inner) and split(inner, _SEPARATOR)[1]):
            break
        text = inner
    return text


def closes_early(text: str) -> bool:
    """True where the first bracket is closed before the end: "(a)(b)"."""
    depth, i = 0, 0
    while i < len(text):
        escaped = text[i] == "\\"
        step = 2 if escaped else 1
        char = text[i + 1] if escaped and i + 1 < len(text) else text[i]
        if escaped and text.startswith(("langle", "rangle", "lfloor", "rfloor", "lceil", "rceil"), i + 1):
            depth += 1 if char == "l" else -1
            step = 1 + len(re.match(r"[a-z]+", text[i + 1 :]).group())  # type: ignore[union-attr]
        else:
            depth += (char in "([{") - (char in ")]}")
        i += step
        if depth == 0:
            return i < len(text)
    return True
