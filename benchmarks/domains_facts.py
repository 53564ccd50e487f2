"""What the records of `benchmarks/domains.py` show: the price of brevity, who pays it, how near the known best is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from domains_records import DomainRecords, Response
from objectives_frontier import Measured, gap_by_problem

from tersely.analysis.clusters import accuracy_clusters, by_problem, token_clusters
from tersely.analysis.cutoff import cut
from tersely.analysis.intervals import (
    clustered_mean,
    clustered_rate,
    paired_difference,
    paired_ratio,
    paired_saving,
)
from tersely.records import Estimate, EvalRecord, Finish, Problem
from tersely.toy import countdown, ordering
from tersely.toy.optimum import Optimum, frontier

OPTIMA: Mapping[str, Callable[[Problem], Optimum]] = {"countdown": countdown.optimum, "ordering": ordering.optimum}
QUARTERS = 4
"""Of the problems, by the length of the plain search."""


@dataclass(frozen=True)
class Answers:
    """What one model answered."""

    name: str
    responses: Sequence[Response]

    @cached_property
    def records(self) -> list[EvalRecord]:
        return [one.record for one in self.responses]

    @cached_property
    def means(self) -> Measured:
        """By problem."""
        right, tokens = accuracy_clusters(self.records), token_clusters(self.records)
        return Measured(*({name: float(np.mean(side[name])) for name in right} for side in (right, tokens)))

    @property
    def accuracy(self) -> Estimate:
        return clustered_rate(accuracy_clusters(self.records))

    @property
    def tokens(self) -> Estimate:
        return clustered_mean(token_clusters(self.records))

    @property
    def unfinished(self) -> float:
        return sum(record.finish is not Finish.EOS for record in self.records) / len(self.records)

    def shown(self, place: int) -> float:
        """Share of the responses that show the behaviour at this place of the task's list."""
        return sum(one.habits[place] > 0 for one in self.responses) / len(self.responses)

    def of(self, problems: set[str]) -> Answers:
        """To these problems alone."""
        return Answers(self.name, [one for one in self.responses if one.record.problem_id in problems])

    def cut(self, limit: int) -> Answers:
        """As a smaller cap would have left them."""
        records = cut(self.records, limit)
        return Answers(self.name, [Response(r, one.habits) for r, one in zip(records, self.responses, strict=True)])


class Domain:
    """One task: models by seed and name, and the known best of each problem."""

    def __init__(self, records: DomainRecords) -> None:
        self.records, self.task = records, records.task

    def answers(self, seed: int, name: str) -> Answers | None:
        """None where it is not measured."""
        found = self.records.seeds.get(seed, {}).get(name)
        return None if found is None else Answers(name, found)

    @cached_property
    def optima(self) -> dict[str, Optimum]:
        """Problem id -> the known best."""
        return {problem.id: OPTIMA[self.task](problem) for problem in self.records.problems.values()}

    @cached_property
    def quarters(self) -> list[set[str]]:
        """Problem ids by the length of the plain search, the shortest first."""
        ranked = sorted(self.optima, key=lambda name: (self.optima[name].search, name))
        return [set(part.tolist()) for part in np.array_split(np.array(ranked), QUARTERS)]

    @cached_property
    def levels(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for problem in self.records.problems.values():
            found.setdefault(str(problem.difficulty), set()).add(problem.id)
        return dict(sorted(found.items()))

    @cached_property
    def kinds(self) -> dict[str, set[str]]:
        """Problems that differ in kind, where a task has such."""
        if self.task != "countdown":
            return {}
        never = {name for name, best in self.optima.items() if all(stop.right for stop in best.stops)}
        return {"solvable": set(self.optima) - never, "without a solution": never}

    def search_length(self, problems: Iterable[str] | None = None) -> float:
        """Mean tokens of the plain search."""
        names = list(self.optima if problems is None else problems)
        return float(np.mean([self.optima[name].search for name in names]))

    def best_accuracy(self, tokens: float) -> float | None:
        """What stopping everywhere at the same point of the plain search is right in, at this mean length (straight
        lines between the points); None below the first point."""
        points = frontier(list(self.optima.values()))
        if tokens < points[0].tokens:
            return None
        for short, long in pairwise(points):
            if short.tokens <= tokens <= long.tokens:
                part = (tokens - short.tokens) / ((long.tokens - short.tokens) or 1.0)
                return (1 - part) * short.accuracy + part * long.accuracy
        return points[-1].accuracy


# ---- two models beside each other


def price(before: Answers, after: Answers, comparisons: int = 1) -> Estimate:
    """Change of accuracy on the same problems."""
    sides = (accuracy_clusters(before.records), accuracy_clusters(after.records))
    return paired_difference(*sides, rates=True, comparisons=comparisons)


def saving(before: Answers, after: Answers) -> Estimate:
    """Share of the tokens saved on the same problems."""
    return paired_saving(token_clusters(before.records), token_clusters(after.records))


def against_search(domain: Domain, answers: Answers) -> Estimate | None:
    """Tokens of right answers for each token of the plain search, over problems that were answered right."""
    right = by_problem(record for record in answers.records if record.correct)
    if not right:
        return None
    search = {name: [float(domain.optima[name].search)] for name in right}
    return paired_ratio(search, {name: [float(r.tokens) for r in of_it] for name, of_it in right.items()})


def above(line: Sequence[Answers], one: Answers) -> Estimate | None:
    """Accuracy above the straight line between the neighbours at the same tokens, paired by problem; None beyond the
    line's ends. The interval knows the noise of all three models in both directions (``gap_by_problem``)."""
    ranked = sorted((model.means for model in line), key=lambda means: means.point)
    gap = gap_by_problem(one.means, ranked)
    if gap is None:
        return None
    return paired_difference({name: [0.0] for name in gap}, {name: [value] for name, value in gap.items()})
