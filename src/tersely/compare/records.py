"""What a comparison is made of: contenders, each one setting with its seeds on every data set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tersely.analysis.noise import NoiseFloor
from tersely.evaluation.protocol import VARIANT
from tersely.records import Estimate
from tersely.report.load import Run
from tersely.report.measure import Entry, View


class Role(StrEnum):
    """What a contender is beside the family."""

    BASE = "base"
    FAMILY = "family"
    ABLATION = "ablation"
    BASELINE = "baseline"
    CUTOFF = "cutoff"
    PROMPTED = "prompted"
    OTHER = "other model"


@dataclass(frozen=True, slots=True)
class Name:
    """An evaluation folder's name taken apart. Example: ``parse_name("paper.gsm8k@limit-512")``."""

    dataset: str
    step: int | None
    variant: str
    """``limit-512``, ``concise``, ``repeat`` ...; empty for the model as it is."""

    @property
    def is_repeat(self) -> bool:
        """The same measurement with another sampling seed: says how much of a difference is noise."""
        return any(part.startswith(("repeat", "seed-")) for part in self.variant.split(VARIANT))

    @property
    def repeats_plain(self) -> bool:
        """A repetition of the model as it is, under no instruction."""
        return self.is_repeat and VARIANT not in self.variant


def parse_name(folder: str) -> Name:
    dataset, *rest = folder.split(VARIANT)
    steps = [part for part in rest if part.startswith("step-") and part[5:].isdigit()]
    others = [part for part in rest if part not in steps]
    return Name(dataset, int(steps[0][5:]) if steps else None, VARIANT.join(others))


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of every table.

    Example: ``Contender("SFT lr 1e-05", Role.BASELINE, "SFT", entries={"arithmetic": ...}, runs=(...))``
    """

    label: str
    role: Role
    series: str
    """What shares a colour and a line: the method, without its settings."""
    entries: dict[str, Entry]
    """Data set -> its results there."""
    runs: tuple[Run, ...]
    mark: str = ""
    """In what its protocol differs; a marked contender is shown, and compared with nothing."""

    @property
    def alpha(self) -> float | None:
        return next(iter(self.entries.values())).alpha


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """One member of the family along its training: step -> data set -> results."""

    label: str
    alpha: float | None
    runs: tuple[Run, ...]
    steps: dict[int, dict[str, Entry]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that one page is about."""

    contenders: tuple[Contender, ...]
    checkpoints: tuple[Checkpoints, ...]
    noise: dict[str, tuple[NoiseFloor, ...]]
    """Data set -> floors of the bases."""
    datasets: tuple[str, ...]
    with_ablations: bool = False
    """Whether departures from the family were asked for among the alternatives on the frontier."""

    @property
    def base(self) -> Contender | None:
        return next((c for c in self.contenders if c.role is Role.BASE), None)

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple({run.path: run for c in self.contenders for run in c.runs}.values())

    def view(self, dataset: str) -> View:
        """One data set, in the form that the report's tables and figures read."""
        from tersely.analysis import difficulty_order

        entries = tuple(c.entries[dataset] for c in self.contenders if dataset in c.entries)
        results = [result for entry in entries for result in entry.results]
        labels = {label for r in results for label in r.evaluation.summary.by_difficulty}
        first = results[0].evaluation
        order = tuple(sorted(labels, key=difficulty_order))
        return View(dataset, first.protocol.without_model(), entries, order, tuple(first.summary.phrases))


@dataclass(frozen=True, slots=True)
class Spot:
    """One model in one plane of tokens and accuracy."""

    label: str
    role: Role
    series: str
    alpha: float | None
    tokens: Estimate
    accuracy: Estimate
    seeds: tuple[tuple[float, float], ...] = ()
    """(tokens, accuracy) of every seed, where there are several."""


@dataclass(frozen=True, slots=True)
class Plane:
    """All models on one data set, or on all of them normalised by the base."""

    name: str
    title: str
    spots: tuple[Spot, ...]
    normalised: bool = False
    """Ratios to the base; else tokens, and accuracy in [0, 1]."""
    intervals: bool = True
    """False where the source prints none."""
