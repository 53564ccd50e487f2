"""A user's own method, loss, engine, answer kind, schedule or verifier, named as ``package.module:Name``.

Our own stand in explicit tables beside their files; this is for what stands in nobody's table. A name is imported only
where a person gave it, on this command line or in this call: a run folder that holds one is read, never obeyed.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tersely.errors import UserError, nearest

T = TypeVar("T")


def is_own(name: str) -> bool:
    """Whether the name points into a user's module rather than into one of our tables."""
    return ":" in name


def find(what: str, name: str, table: Mapping[str, T]) -> T:
    """The member of ``table`` of that name, or a user's own.

    ``what`` is how messages call it ("method"). UserError for an unknown name (with the nearest known) and for a
    module or an attribute that cannot be imported.
    """
    if is_own(name):
        own: T = load(what, name)
        return own
    if name not in table:
        known = ", ".join(table)
        raise UserError(f"unknown {what} {name!r}{nearest(name, table)}; choose one of {known}, or package.module:Name")
    return table[name]


def load(what: str, name: str) -> Any:
    """The object that ``package.module:Name`` names; UserError in one sentence where it cannot be had."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise UserError(f"{what} {name!r} is not of the form package.module:Name")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # the boundary to a stranger's module, which may raise anything while it is imported
        raise UserError(
            f"{what} {name!r} cannot be imported ({type(error).__name__}: {error}): name a module that Python finds "
            "(the working directory counts with `python -m tersely`, else set PYTHONPATH)"
        ) from error
    return found


def require_signature(what: str, name: str, function: Callable[..., Any], *arguments: str) -> None:
    """UserError unless ``function`` can be called with these arguments by position."""
    if not callable(function):
        raise UserError(f"{what} {name!r} is no function or class: it must take ({', '.join(arguments)})")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise UserError(f"{what} {name!r} must take ({', '.join(arguments)}), and it does not: {error}") from error
    except ValueError:  # a builtin that tells no signature
        return
