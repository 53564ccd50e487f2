"""The words of the page: longer sentences stand in ``words.toml``, titles and columns of tables in ``tables.toml``."""

import tomllib
from collections.abc import Callable, Iterable
from importlib import resources
from operator import attrgetter
from typing import Any

from tersely.table import Column, Table, tabulate

FOLDER = resources.files("tersely.page")
WORDS = tomllib.loads((FOLDER / "words.toml").read_text(encoding="utf-8"))
TABLES = tomllib.loads((FOLDER / "tables.toml").read_text(encoding="utf-8"))


def say(name: str, **values: object) -> str:
    """A sentence by its name, "block.what", with the values in its places."""
    block, _, what = name.partition(".")
    return str(WORDS[block][what]).format(**values)


def columns(name: str) -> list[Column]:
    """Of a table, as declared."""
    declared = TABLES[name]["columns"].items()
    return [Column(key, title, kind, cell(*found) if found else None) for key, (title, kind, *found) in declared]


def cell(name: str, *arguments: str | float) -> Callable[[Any], Any]:
    """What reads a cell: an attribute (dotted: of an attribute), called where there are arguments."""
    read = attrgetter(name)
    return (lambda thing: read(thing)(*arguments)) if arguments else read


def table(
    name: str, things: Iterable[Any], picked: tuple[int, ...] | None = None, more: Iterable[Column] = ()
) -> Table:
    """A table as declared, and with ``more`` columns: a row for each thing; a tuple is a row already."""
    return tabulate(name, TABLES[name].get("title", ""), [*columns(name), *more], things, picked)
