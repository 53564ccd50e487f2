"""From a name and settings to a method or a schedule; every mistake is refused before anything runs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from inspect import Parameter
from numbers import Real
from typing import Any, TypeVar

from tersely.errors import UserError, nearest
from tersely.plugins import find

Member = TypeVar("Member")


def find_class(
    what: str, name: str, table: Mapping[str, type[Member]], base: type[Any], home: str = "tersely.objective"
) -> type[Member]:
    """The class of that name in ``table``, or a user's own; UserError where it is no subclass of ``base``."""
    found = find(what, name, table)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"{what} {name!r} must be a subclass of {home}.{base.__name__}, and it is none")
    return found


def setting_names(member: type[Any]) -> list[str]:
    """Names of the settings that a class takes, in order."""
    return list(_settings(member))


def _settings(member: type[Any]) -> dict[str, Parameter]:
    open_ended = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return {name: p for name, p in inspect.signature(member).parameters.items() if p.kind not in open_ended}


def build(what: str, name: str, member: type[Member], settings: Mapping[str, Any]) -> Member:
    """``member(**settings)``; UserError for a setting that is unknown, missing, or refused by the class itself."""
    known = _settings(member)
    for key in settings:
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UserError(f"unknown setting {key!r} of {what} {name!r}{nearest(key, known)}; {has}")
    missing = [key for key, p in known.items() if p.default is Parameter.empty and key not in settings]
    if missing:
        raise UserError(f"{what} {name!r} needs {' and '.join(missing)}, for which there is no usual value: give one")
    try:
        return member(**settings)
    except UserError:
        raise
    except Exception as error:  # the boundary to a user's class, which may raise anything
        raise UserError(f"{what} {name!r} refuses its settings ({type(error).__name__}: {error})") from error


def number(name: str, value: object, rule: str, low: float = -math.inf, high: float = math.inf) -> float:
    """``value`` as a finite float with low <= value < high; else a UserError that states ``rule``.

    ``rule`` in words, such as ``"0 <= alpha < 1"``. A bool is no number.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UserError(f"{name} must be a number with {rule}, not {value!r}")
    taken = float(value)
    if not math.isfinite(taken) or not low <= taken < high:
        raise UserError(f"{name} must be a number with {rule}, not {value}")
    return taken
