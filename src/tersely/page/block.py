"""What every block gives, and what it is given beside the comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from matplotlib.figure import Figure

from tersely.page.figure import Looks
from tersely.page.records import Comparison
from tersely.page.standings import Standing
from tersely.records import EvalRecord
from tersely.table import Table
from tersely.text import slug


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
    examples: Mapping[str, Mapping[str, EvalRecord]] = field(default_factory=dict)
    """Difficulty -> one problem of it: model -> its response."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for beside the runs, and what is known of the whole."""

    price: float | None = None
    """Of a million generated tokens, in ``currency``."""
    gpu_hour: float | None = None
    currency: str = "USD"
    with_ablations: bool = False
    """Whether departures from the family stand on the frontier too."""
    allow_mixed: bool = False
    commands: Sequence[str] = ()
    looks: Looks = field(default_factory=dict)
    found: tuple[Standing, ...] = ()
    """Against the base, over all data sets."""
    chosen: str | None = None
    """Label of the model that the message names."""
    price_read: float | None = None
    """Of a million tokens of prompts."""


Make = Callable[[Comparison, Options], Block | None]
Maker = Callable[[Comparison, Options], list[Block]]


def once(make: Make) -> Maker:
    """A block about all data sets together."""
    return lambda comparison, options: [block for block in [make(comparison, options)] if block is not None]


def each_set(make: Make) -> Maker:
    """A block about one data set, made for each of them; the data set ends the names of its files."""

    def made(comparison: Comparison, options: Options) -> list[Block]:
        blocks = []
        for dataset in comparison.datasets:
            ending, words = file_name(dataset), f", {dataset}" if len(comparison.datasets) > 1 else ""
            if (block := make(comparison.on(dataset), options)) is not None:
                tables = tuple(table.named(ending, words) for table in block.tables)
                named = replace(block, name=f"{block.name}_{ending}", title=f"{block.title}{words}", tables=tables)
                blocks.append(named)
        return blocks

    return made


def file_name(dataset: str) -> str:
    """A data set's name as part of the name of a file and of an id."""
    return slug(dataset).replace("-", "_")
