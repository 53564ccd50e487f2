"""The report of ``tersely prepare``: what was read, what was dropped and why, what is like what. Pure.

``Report.to_json`` is FILE.report.json, for machines; ``tersely.tasks.prepare.page`` writes the short one for people.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tersely.records import JsonObject, Problem
from tersely.tasks.prepare.dedup import COMMON, COVER, GRAM, NEAR, SHORT, near_duplicates, words
from tersely.tasks.prepare.filters import Reason
from tersely.tasks.prepare.inputs import FileOrigin, Input
from tersely.tasks.prepare.select import Dropped, Selection
from tersely.tasks.prepare.settings import Settings
from tersely.tasks.sources.hub import HubOrigin

EXAMPLES = 20
"""Dropped problems of each reason that the report shows, drawn at random."""
LISTED = 200
"""Most near-duplicates that the report lists; all are counted."""
NEAR_LIMIT = 50_000
"""Most kept problems for which near-duplicates among them are looked for (memory)."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What the file was made with; None where a package is not there."""

    tersely: str
    python: str
    math_verify: str | None
    datasets: str | None

    def to_json(self) -> JsonObject:
        return {
            "tersely": self.tersely,
            "python": self.python,
            "math-verify": self.math_verify,
            "datasets": self.datasets,
        }


@dataclass(frozen=True, slots=True)
class Output:
    """The task file that was written."""

    file: str
    sha256: str
    problems: int


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What became of the rows of one source. Every row counts once."""

    read: int
    dropped: dict[str, int]
    """Reason -> rows, the commonest first."""
    passed: int
    kept: int


@dataclass(frozen=True, slots=True)
class OverlapPair:
    """A dropped problem and the evaluation problem that it overlaps."""

    source: str
    problem: str
    set: str
    evaluation_problem: str
    rule: str
    cover: float


@dataclass(frozen=True, slots=True)
class Overlaps:
    """All overlaps with evaluation problems, the closest first."""

    by_rule: dict[str, int]
    by_set: dict[str, int]
    near: int
    """Pairs whose shared words cover at least half of the shorter."""
    pairs: list[OverlapPair]


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two kept problems (ids) that are nearly the same text, and the question of the second."""

    a: str
    b: str
    cover: float
    question: str


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Near-duplicates among the kept; ``pairs`` None where there are too many problems to look."""

    pairs: int | None
    listed: list[NearPair]

    def to_json(self) -> JsonObject:
        if self.pairs is None:
            return {"pairs": None, "why": "too many kept problems to compare all of them"}
        return {"pairs": self.pairs, "cover": NEAR, "listed": [asdict(pair) for pair in self.listed]}


@dataclass(frozen=True, slots=True)
class Example:
    """A dropped problem as the report shows it."""

    source: str
    problem: str
    answer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything needed to make the file again and to judge whether what was dropped was dropped rightly."""

    task: str
    command: str
    settings: Settings
    versions: Versions
    data: list[FileOrigin | HubOrigin]
    excluded: list[FileOrigin | HubOrigin]
    output: Output
    passed: int
    by_source: dict[str, SourceCounts]
    overlaps: Overlaps
    near_duplicates: NearDuplicates
    examples: dict[str, list[Example]]

    @property
    def read(self) -> int:
        return sum(counts.read for counts in self.by_source.values())

    @property
    def kept(self) -> int:
        return self.output.problems

    @property
    def dropped(self) -> dict[str, int]:
        """Reason -> rows over all sources, the commonest first."""
        totals: Counter[str] = Counter()
        for counts in self.by_source.values():
            totals.update(counts.dropped)
        return dict(totals.most_common())

    def to_json(self) -> JsonObject:
        return {
            "task": self.task,
            "command": self.command,
            "settings": self.settings.to_json(),
            "overlap_rule": {"gram": GRAM, "common": COMMON, "cover": COVER, "short": SHORT},
            "versions": self.versions.to_json(),
            "data": [origin.to_json() for origin in self.data],
            "excluded": [origin.to_json() for origin in self.excluded],
            "output": asdict(self.output),
            "counts": {"read": self.read, "dropped": self.dropped, "passed": self.passed, "kept": self.kept},
            "by_source": {source: asdict(counts) for source, counts in self.by_source.items()},
            "overlaps": asdict(self.overlaps),
            "near_duplicates": self.near_duplicates.to_json(),
            "examples": {reason: [asdict(example) for example in some] for reason, some in self.examples.items()},
        }


def count_by_source(training: Sequence[Input], selection: Selection) -> dict[str, SourceCounts]:
    """What became of the rows of each source, by name."""
    read: Counter[str] = Counter(problem.source for given in training for problem in given.problems)
    dropped: dict[str, Counter[str]] = defaultdict(Counter)
    for item in selection.dropped:
        dropped[item.problem.source][item.reason.value] += 1
    for given in training:
        for (source, reason), count in given.skipped.items():
            read[source] += count
            dropped[source][reason] += count
    passed = Counter(problem.source for problem in selection.passed)
    kept = Counter(problem.source for problem in selection.kept)
    return {
        source: SourceCounts(read[source], dict(dropped[source].most_common()), passed[source], kept[source])
        for source in sorted(read)
    }


def find_overlaps(dropped: Sequence[Dropped], evaluation: Sequence[Input]) -> Overlaps:
    """By rule and by evaluation set, and every pair."""
    owner = [given.name for given in evaluation for _ in given.problems]
    found = [(item, item.overlap) for item in dropped if item.overlap is not None]
    found.sort(key=lambda pair: (-pair[1].cover, pair[0].problem.id))
    pairs = [
        OverlapPair(
            source=item.problem.source,
            problem=item.problem.question,
            set=owner[overlap.index],
            evaluation_problem=item.detail,
            rule=overlap.rule,
            cover=round(overlap.cover, 3),
        )
        for item, overlap in found
    ]
    return Overlaps(
        by_rule=dict(Counter(pair.rule for pair in pairs).most_common()),
        by_set=dict(Counter(pair.set for pair in pairs).most_common()),
        near=sum(overlap.cover >= COVER for _, overlap in found),
        pairs=pairs,
    )


def find_near_duplicates(kept: Sequence[Problem]) -> NearDuplicates:
    """Pairs of kept problems that are nearly the same text, the closest first."""
    if len(kept) > NEAR_LIMIT:
        return NearDuplicates(None, [])
    found = near_duplicates([words(problem.question) for problem in kept])
    listed = [NearPair(kept[i].id, kept[j].id, round(cover, 3), kept[j].question) for i, j, cover in found[:LISTED]]
    return NearDuplicates(len(found), listed)


def draw_examples(dropped: Sequence[Dropped], seed: int) -> dict[str, list[Example]]:
    """Reason -> some of the problems dropped for it, the same for the same seed."""
    found = {}
    for reason in Reason:
        of_reason = [item for item in dropped if item.reason is reason]
        some = random.Random(f"examples/{seed}/{reason}").sample(of_reason, min(EXAMPLES, len(of_reason)))
        if some:
            found[reason.value] = [
                Example(i.problem.source, i.problem.question, i.problem.gold, i.detail) for i in some
            ]
    return found
