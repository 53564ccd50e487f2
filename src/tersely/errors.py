"""tersely's own exceptions: each message says what is wrong, why, and how to mend it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable


class TerselyError(Exception):
    """Base of everything tersely raises on purpose. The command line prints it in one sentence, no traceback."""

    exit_code = 1


class UserError(TerselyError, ValueError):
    """Something the user gave cannot work: exit code 2, nothing written."""

    exit_code = 2


class RunError(TerselyError, RuntimeError):
    """A run cannot go on (non-finite loss, too many unjudged answers): exit code 3, nothing bad saved."""

    exit_code = 3


class HealthError(RunError):
    """A health rule ended a run: exit code 5, the last good checkpoint stands and stopped.json says why."""

    exit_code = 5


class StorageError(TerselyError, OSError):
    """The disk refused (full, unwritable, damaged): exit code 4, what was complete before is still there."""

    exit_code = 4


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """``" (did you mean X?)"`` for a known name that begins so, else for the closest one; or an empty string."""
    # Dashes that every option begins with make no two of them alike: --k is not nearly --ask.
    bare, asked = {str(one).lstrip("-").lower(): str(one) for one in known}, name.lstrip("-").lower()
    longer = [one for one in bare if len(asked) > 2 and one.startswith(asked)]
    close = longer or difflib.get_close_matches(asked, bare, n=1, cutoff=cutoff)
    return f" (did you mean {bare[close[0]]!r}?)" if close else ""


def require_known(what: str, name: str, known: Iterable[str]) -> str:
    """Return ``name`` if it is known; else raise a UserError that lists the choices and the nearest."""
    choices = list(known)
    if name not in choices:
        raise UserError(f"unknown {what} {name!r}{nearest(name, choices)}; choose one of {', '.join(choices)}")
    return name


def first_line(error: BaseException) -> str:
    """What an error of a library says, short enough to stand inside a sentence of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def in_one_line(error: BaseException, longest: int = 300) -> str:
    """``"ValueError: what it says"``: class and first line of the message, at most ``longest`` characters of it."""
    first = next(iter(str(error).splitlines()), "").encode("utf-8", "replace").decode()
    return f"{type(error).__name__}: {first[:longest]}" if first else type(error).__name__


_FIELDS = re.compile(r"(missing|unexpected)\b.*? arguments?:? (.+)")
"""How Python says that a record was given too few fields, or one that it does not have."""
_NUMBER = re.compile(r"(?:could not convert string to \w+|invalid literal for int\(\) with base 10): (.+)")


def plainly(error: BaseException) -> str:
    """What reading content of a wrong form raised, in words that name no part of Python:
    ``"the field 'bandwidth' is missing"``."""
    said = first_line(error)
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.removesuffix(" at").replace("Expecting", "expected").replace("Unterminated", "unterminated")
        return f"{what} at line {error.lineno}, column {error.colno}"
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    if isinstance(error, TypeError) and (found := _FIELDS.search(said)):
        which = f"fields {found[2]} are" if " and " in found[2] else f"field {found[2]} is"
        return f"the {which} {'missing' if found[1] == 'missing' else 'not known'}"
    if isinstance(error, ValueError) and (found := _NUMBER.match(said)):
        return f"{found[1]} is no number"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    if isinstance(error, TypeError | AttributeError | IndexError | RecursionError):
        return "a field has another form"
    return (error.strerror or said).lower() if isinstance(error, OSError) else said
