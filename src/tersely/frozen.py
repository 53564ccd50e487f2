"""JSON values that nobody can change: the further columns of a problem travel as such.

Lists become tuples and objects ``FrozenMapping``; ``thaw`` gives plain lists and dictionaries back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from tersely.errors import UserError

MAX_DEPTH = 64
"""Most levels of lists and objects within one another."""


class FrozenMapping(Mapping[str, Any]):
    """A read-only mapping that can be copied and pickled. Example: ``FrozenMapping({"entry": "add"})["entry"]``."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"FrozenMapping({self._values!r})"


def freeze_mapping(values: Mapping[str, Any], where: str, depth: int = MAX_DEPTH) -> FrozenMapping:
    """A frozen copy of an object of JSON values, down to the last list. UserError for anything JSON does not have."""
    if not isinstance(values, Mapping):
        raise UserError(f"{where} is of type {type(values).__name__}: give an object of named JSON values")
    odd = next((key for key in values if not isinstance(key, str)), None)
    if odd is not None:
        raise UserError(f"{where} has the key {odd!r}, which is no text: JSON objects have text as keys")
    return FrozenMapping({key: _freeze(value, f"{where}[{key!r}]", depth - 1) for key, value in values.items()})


def _freeze(value: Any, where: str, depth: int) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth == 0:
        raise UserError(f"{where[:80]}... is nested deeper than {MAX_DEPTH} levels: flatten it")
    if isinstance(value, Mapping):
        return freeze_mapping(value, where, depth)
    if isinstance(value, list | tuple):
        return tuple(_freeze(item, f"{where}[{i}]", depth - 1) for i, item in enumerate(value))
    what = str(value) if isinstance(value, float) else f"of type {type(value).__name__}"
    raise UserError(f"{where} is {what}: give JSON values (text, finite numbers, true, false, null, lists, objects)")


def thaw(value: Any) -> Any:
    """The value with plain, changeable lists and dictionaries, as ``json.dumps`` takes it."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in value]
    return value


def canonical(value: Any) -> str:
    """One text for one value, whatever the order of its keys: ASCII JSON without spaces."""
    return json.dumps(thaw(value), sort_keys=True, separators=(",", ":"))
