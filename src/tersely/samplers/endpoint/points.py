"""The knobs of a server as points: each value of a field, and each system prompt, is a way of asking of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.frozen import freeze_mapping, thaw
from tersely.samplers.endpoint.address import Endpoint


@dataclass(frozen=True, slots=True)
class Point:
    """One way in which the server is asked. Example: ``Point("reasoning_effort=low", "reasoning_effort", "low")``"""

    name: str | None = None
    """In tables and in the name of the evaluation; None: as it serves by itself."""
    option: str | None = None
    value: Any = None
    system: str | None = None


def at(endpoint: Endpoint, point: Point) -> Endpoint:
    """The same server, asked so."""
    options = dict(thaw(endpoint.options))
    if point.option is not None:
        name, value = nested(point.option, point.value)
        both = isinstance(value, dict) and isinstance(options.get(name), dict)
        options[name] = {**options[name], **value} if both else value
    system = endpoint.system if point.system is None else point.system
    return replace(endpoint, options=freeze_mapping(options, "options"), system=system)


def requests(given: Sequence[str]) -> Iterator[Point]:
    """``NAME=V,V,...``: a point each. UserError for what has another form."""
    for one in given:
        name, equals, values = one.partition("=")
        for value in _each(values) if equals else [None]:
            _, read = pair(name if value is None else f"{name}={value}", "--request")
            yield Point(f"{name}={value}", name, read)


def _each(values: str) -> list[str]:
    """A list or an object in JSON is one value, with whatever commas stand in it."""
    return [values] if values.startswith(("[", "{")) else values.split(",")


def systems(given: Sequence[str]) -> Iterator[Point]:
    """System prompts, each by the name of its file, or by a digest of its text. UserError for an empty one."""
    for one in given:
        path = Path(one) if len(one) < 256 and "\n" not in one else None
        if path is not None and path.is_file():
            text, name = path.read_text(encoding="utf-8").strip(), path.stem
        else:
            text, name = one.strip(), hashlib.sha256(one.encode()).hexdigest()[:6]
        if not text:
            raise UserError(f"--system {one!r} is empty: give the text of a system prompt, or a file that holds it")
        yield Point(f"system={name}", system=text)


def pair(given: str, option: str) -> tuple[str, Any]:
    """A name and its value: JSON where it is some, "none" for a field that is left out, else text."""
    name, equals, value = given.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise UserError(f"{option} {given!r} is no request: write NAME=VALUE, such as reasoning_effort=low")
    if value == "none":
        return name, None
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def nested(name: str, value: Any) -> tuple[str, Any]:
    """``chat_template_kwargs.enable_thinking`` as an object within an object."""
    first, *rest = name.split(".")
    for part in reversed(rest):
        value = {part: value}
    return first, value
