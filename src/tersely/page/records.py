"""What a page is made of: runs, their results on each data set, and the settings that compete there."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from tersely.analysis import PairedComparison, ProtocolFacts, Summary, over_seeds
from tersely.analysis.clusters import difficulty_order, label_of, token_clusters
from tersely.analysis.noise import NoiseFloor
from tersely.analysis.profile import clustered_quantile
from tersely.analysis.served import QUANTITIES, Quantity, mean_of
from tersely.evaluation.records import Evaluation
from tersely.evaluation.runs import Run
from tersely.records import Estimate, EvalRecord

SHARES = {"accuracy", "truncated", "no_answer", "unjudged", "pass_at_k", "maj_at_k",
          "share_after_answer", "stated_but_wrong", "stated_by_chance", "loops"}  # fmt: skip
"""Quantities of a summary that lie in [0, 1]; its other ones are not negative."""
EVERYWHERE = (-math.inf, math.inf)
GAINS = {"accuracy_difference": (-1.0, 1.0), "token_saving": (-math.inf, 1.0), "token_difference": EVERYWHERE}
"""Quantities of a comparison with a base, and the ends of what is possible."""


class Role(StrEnum):
    """What a contender is beside the family."""

    BASE = "base"
    FAMILY = "family"
    EFFORT = "effort"
    """A model at one of the levels that it was trained for."""
    ABLATION = "ablation"
    BASELINE = "baseline"
    CUTOFF = "cutoff"
    PROMPTED = "prompted"
    OTHER = "other model"


TRAINED = (Role.FAMILY, Role.EFFORT, Role.ABLATION, Role.BASELINE)
TOLD = tuple(role for role in Role if role is not Role.CUTOFF)
"""Whose responses are told about: a cutoff's are the base's."""


@dataclass(frozen=True, slots=True)
class Result:
    """One seed of a setting on one data set."""

    run: Run
    evaluation: Evaluation
    versus: PairedComparison | None
    """With its base; None for a base or a run without one."""
    base_path: Path | None = None
    """Folder of that base."""


@dataclass(frozen=True, slots=True)
class Who:
    """What a line of a table, a mark of a figure and a rank belong to: one setting."""

    label: str
    role: Role
    series: str
    """What shares a colour and a line: the method, without its settings."""
    alpha: float | None
    mark: str
    """In what its protocol differs; a marked contender is shown, and compared with nothing."""

    @property
    def who(self) -> tuple[str, Role, str, float | None, str]:
        """The fields above, to make another record of the same."""
        return self.label, self.role, self.series, self.alpha, self.mark

    @property
    def is_base(self) -> bool:
        return self.role is Role.BASE and not self.mark

    @property
    def is_member(self) -> bool:
        """Of the family, with its usual settings and protocol."""
        return self.role is Role.FAMILY and not self.mark


@dataclass(frozen=True, slots=True)
class Entry(Who):
    """A setting on one data set, a result a seed."""

    results: tuple[Result, ...]
    difficulty: str | None = None
    """None for all problems; else all quantities are over those of this difficulty."""

    @property
    def first(self) -> Result:
        return self.results[0]

    @property
    def seeds(self) -> int:
        return len(self.results)

    @property
    def k(self) -> int:
        """The most responses that any seed gave to a problem."""
        return max(result.evaluation.summary.k for result in self.results)

    def at(self, difficulty: str) -> Self:
        return replace(self, difficulty=difficulty)

    def of_k(self, key: str) -> Estimate | None:
        """ "pass_at_k" or "maj_at_k" of all responses to a problem."""
        return self.overall(key, self.k)

    def quantile(self, share: float) -> float | None:
        """Tokens that this share of the responses stay within."""
        found = self.over_results(lambda records: clustered_quantile(token_clusters(records), share))
        return None if found is None else found.value

    def overall(self, *keys: str | int) -> Estimate | None:
        """A quantity of the summary, for example ``overall("behaviours", "verification")``."""
        bounds = (0.0, 1.0 if SHARES & set(keys) else math.inf)
        return self._over_seeds([result.evaluation.summary for result in self.results], keys, bounds)

    def gain(self, key: str) -> Estimate | None:
        """A quantity of the comparison with the base: "token_saving", "accuracy_difference", ..."""
        return self._over_seeds([r.versus for r in self.results if r.versus is not None], (key,), GAINS[key])

    def _over_seeds(
        self, parts: Sequence[Summary | PairedComparison], keys: Sequence[str | int], bounds: tuple[float, float]
    ) -> Estimate | None:
        """What stands in each part under these names, one within the other; None where any of them is missing."""
        found: list[Estimate | None] = []
        for part in parts:
            block: Any = part.overall if self.difficulty is None else part.by_difficulty.get(self.difficulty)
            for key in keys:
                block = block.get(key) if isinstance(block, Mapping) else getattr(block, str(key), None)
            found.append(block if isinstance(block, Estimate) else None)
        return over_seeds(found, bounds)

    def records(self, result: Result) -> list[EvalRecord]:
        """A seed's responses, of the entry's difficulty alone."""
        return [r for r in result.evaluation.responses() if self.difficulty in (None, label_of(r))]

    def over_results(self, value: Callable[[Sequence[EvalRecord]], Estimate | None]) -> Estimate | None:
        """An estimate of each seed's responses, over seeds."""
        return over_seeds([value(self.records(result)) for result in self.results], (0.0, math.inf))

    def spent(self, quantity: Quantity | str) -> Estimate | None:
        """Mean a response of what a server's answer takes, or by its name in ``analysis.served``."""
        of_one = QUANTITIES[quantity] if isinstance(quantity, str) else quantity
        return self.over_results(lambda records: mean_of(records, of_one))

    def clusters(self, make: Callable[[Sequence[EvalRecord]], dict[str, list[float]]]) -> dict[str, list[float]]:
        """Problem id -> the values of all seeds together."""
        joined: dict[str, list[float]] = {}
        for result in self.results:
            for problem, values in make(self.records(result)).items():
                joined.setdefault(problem, []).extend(values)
        return joined


@dataclass(frozen=True, slots=True)
class Contender(Who):
    """A setting on every data set that it was evaluated on."""

    entries: Mapping[str, Entry]
    """Data set -> its results there."""
    runs: tuple[Run, ...]
    step: int | None = None
    """Of a checkpoint; None for the finished model."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything known about one data set."""

    dataset: str
    protocol: ProtocolFacts
    entries: tuple[Entry, ...]
    difficulties: tuple[str, ...]
    phrases: Mapping[str, tuple[str, ...]]
    """Behaviour -> what was counted as it."""

    @property
    def base(self) -> Entry | None:
        return next((entry for entry in self.entries if entry.is_base), None)

    @property
    def line(self) -> tuple[Entry, ...]:
        """Members with the family's usual settings, by rising alpha."""
        return tuple(entry for entry in self.entries if entry.is_member)

    @property
    def by_difficulty(self) -> list[Entry]:
        """Every entry at every difficulty."""
        return [entry.at(label) for label in self.difficulties for entry in self.entries]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that one page is about."""

    contenders: tuple[Contender, ...]
    checkpoints: tuple[Contender, ...]
    """Of members and departures along their training, by alpha, label and step."""
    noise: Mapping[str, tuple[NoiseFloor, ...]]
    """Data set -> floors of the bases."""
    datasets: tuple[str, ...]

    @property
    def base(self) -> Contender | None:
        return next((c for c in self.contenders if c.role is Role.BASE), None)

    @property
    def reference(self) -> Contender | None:
        """What savings are told against first: the family's member without length pressure; else the base."""
        free = (c for c in self.contenders if c.is_member and c.alpha == 0)
        return next((c for c in free if set(self.datasets) <= set(c.entries)), self.base)

    def on(self, dataset: str) -> Self:
        """The same on one data set alone."""
        return replace(self, datasets=(dataset,))

    def view(self, *roles: Role) -> View:
        """The first data set with the contenders of such roles, or with all of them."""
        dataset = self.datasets[0]
        everyone = [c.entries[dataset] for c in self.contenders if dataset in c.entries]
        entries = tuple(entry for entry in everyone if not roles or entry.role in roles)
        summaries = [r.evaluation.summary for entry in entries or everyone for r in entry.results]
        labels = {label for summary in summaries for label in summary.by_difficulty}
        first = everyone[0].first.evaluation
        order = tuple(sorted(labels, key=difficulty_order))
        return View(dataset, first.protocol.without_model(), entries, order, first.summary.phrases)
