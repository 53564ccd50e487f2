"""What every block gives, and what it is given beside the comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from tersely.page.figure import Looks
from tersely.page.records import Comparison
from tersely.page.standings import Standing
from tersely.page.table import Table
from tersely.text import slug


@dataclass(frozen=True, slots=True)
class Shown:
    """One response as it stands on the page."""

    model: str
    status: str
    tokens: int
    finish: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """One problem and what each model answered."""

    difficulty: str
    question: str
    answer: str
    responses: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One part of the page: words, a figure or none, its tables."""

    name: str
    """Of its files, and of its place in the page."""
    title: str
    words: tuple[str, ...] = ()
    figure: Figure | None = None
    caption: str = ""
    tables: tuple[Table, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, and what is known of the whole."""

    looks: Looks
    found: tuple[Standing, ...]
    """Against the base, over all data sets."""
    chosen: str | None = None
    """Label of the model that the message names."""
    price: float | None = None
    """Of a million generated tokens, in ``currency``."""
    gpu_hour: float | None = None
    currency: str = "USD"
    with_ablations: bool = False
    """Whether departures from the family stand on the frontier too."""


Make = Callable[[Comparison, Options], Block | None]
Maker = Callable[[Comparison, Options], list[Block]]


def once(make: Make) -> Maker:
    """A block about all data sets together."""

    def made(comparison: Comparison, options: Options) -> list[Block]:
        block = make(comparison, options)
        return [] if block is None else [_plain(block)]

    return made


def each_set(make: Make) -> Maker:
    """A block about one data set, made for each of them; the data set ends the names of its files."""

    def made(comparison: Comparison, options: Options) -> list[Block]:
        several = len(comparison.datasets) > 1
        found = []
        for dataset in comparison.datasets:
            block = make(comparison.on(dataset), options)
            words = f", {dataset}" if several else ""
            if block is not None:
                tables = tuple(table.named(dataset, words) for table in block.tables)
                block = replace(block, name=f"{block.name}_{dataset}", title=f"{block.title}{words}", tables=tables)
                found.append(_plain(block))
        return found

    return made


def _plain(block: Block) -> Block:
    """Names that are file names and ids at once."""
    tables = tuple(replace(table, name=_id(table.name)) for table in block.tables)
    return replace(block, name=_id(block.name), tables=tables)


def _id(name: str) -> str:
    return slug(name).replace("-", "_")
