"""The one place where text meets a terminal: a name, an answer or a path shows, and never acts.

No control character arrives raw (one could move the cursor, hide text or change the window's title), and nothing is
read as rich's markup: a model may be called ``m[v]``. Everything that the package prints goes through here.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Controls, and the marks that reorder or hide text: a reader must see that they are there.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_PLAIN = re.compile(r"[\n\t -~]*")


def visible(text: str) -> str:
    """Text in which every control, direction, zero-width or unassigned character shows as ⟨U+202E⟩."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _HIDDEN else f"⟨U+{ord(c):04X}⟩" for c in text)


def say(text: str, *, error: bool = False) -> None:
    """A line for people, on standard output or standard error."""
    print(visible(text), file=sys.stderr if error else sys.stdout, flush=error)


def say_json(text: str) -> None:
    r"""JSON for programs, on standard output: the same values, with what is invisible as ``\uXXXX``."""
    print("".join(c if c in "\n\t" or unicodedata.category(c) not in _HIDDEN else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def make_console(width: int | None = None, *, stderr: bool = False) -> Console:
    """A console for tables and bars; ``width`` [characters] holds where there is no terminal that has one."""
    kind = _console_class()
    found: Console = kind(stderr=stderr, markup=False, highlight=False, emoji=False)
    return (
        found
        if width is None or found.is_terminal
        else kind(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)
    )


@cache
def _console_class() -> Any:
    from rich.console import Console

    class SafeConsole(Console):
        """Takes every string, in cells and titles too, for plain text, and makes it visible."""

        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(visible(text), **{**options, "markup": False, "emoji": False})

    return SafeConsole


def stay_encodable() -> None:
    """A terminal whose encoding lacks a character is shown an escape instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
