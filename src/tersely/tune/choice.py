"""Choosing among the measured models: for a floor by the test, for a length by interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tersely.records import FloatArray, Problem
from tersely.tune import gate, ladder
from tersely.tune.gate import Test, Trial
from tersely.tune.measured import BASE, Measured, Point, most_accurate, point
from tersely.tune.measuring import Measuring, changes
from tersely.tune.members import Blend
from tersely.tune.split import Sets
from tersely.tune.target import Target

ROUNDS = 2
"""Gaps are filled so often."""
TRIES = 4
"""Weights between two checkpoints that are tried for a length."""
CLOSE = 0.05
"""A length is met from so far below."""
AIM = 0.98
"""Share of the tokens wanted that is aimed at: other problems need a few more or less."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and how it came to that."""

    member: str
    met: bool
    """The test was passed, or the length met."""
    reference: str
    """The model that changes are counted from."""
    trials: tuple[Trial, ...] = ()
    undecided: int | None = None
    """About how many problems would decide where the first candidate did not pass."""
    best: float | None = None
    """The shortest that was found, in tokens as the target counts them, where none is short enough."""


@dataclass
class Shelf:
    """The measured models, to which blends are added as they are needed."""

    measuring: Measuring
    sets: Sets
    measured: list[Measured]
    blends: dict[str, Blend] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blends = {one.member: Blend.one(one.member) for one in self.measured}

    def points(self, reference: Measured, quantile: float | None = None) -> list[Point]:
        return [point(one, reference, quantile) for one in self.measured]

    def add(self, one: str, other: str, weight: float) -> bool:
        """Make and measure weights between two models; False where they are there already."""
        blend = self.blends[one].towards(self.blends[other], weight)
        if blend.name in self.blends:
            return False
        self.measuring.models.made(blend)
        records = self.measuring.responses(blend.name, self.sets.screen, "screen")
        order = [problem.id for problem in self.sets.screen]
        self.measured.append(Measured.of_records(blend.name, 0, records, order))
        self.blends[blend.name] = blend
        return True


def choose(shelf: Shelf, target: Target, against_best: bool, confidence: float) -> Choice:
    """The shortest model that keeps the floor, or the most accurate that is short enough."""
    reference = most_accurate(shelf.measured) if against_best else shelf.measured[0]
    if target.loss is not None:
        return _within_loss(shelf, target.loss, reference, confidence)
    tokens = target.tokens_wanted(shelf.measured[0].length())
    assert tokens is not None
    return _within_length(shelf, tokens, reference, target.quantile)


def _within_loss(shelf: Shelf, loss: float, reference: Measured, confidence: float) -> Choice:
    """The last candidate, from careful to terse, that passes the test; the base where none does."""
    for _ in range(ROUNDS):
        pairs = ladder.gaps(_candidates(shelf, reference), loss)
        added = [shelf.add(a.member, b.member, 0.5) for a, b in pairs]
        if not any(added):
            break
    order = [one.member for one in ladder.rungs(_candidates(shelf, reference), loss)]
    parts = {"test": shelf.sets.test, **shelf.sets.guards}
    tests = {name: _test(shelf, name, part, reference, loss, confidence) for name, part in parts.items()}
    trials = tuple(gate.try_in_order(order, list(tests.values()), loss))
    chosen = gate.last_to_pass(trials)
    if chosen is not None:
        return Choice(chosen, True, reference.member, trials)
    undecided = None
    if trials:
        failed = trials[-1]
        changes_P = tests[failed.test].changes_of(failed.member, failed.problems)
        undecided = gate.problems_to_decide(failed.change, float(changes_P.std(ddof=1)), loss, confidence)
    return Choice(reference.member, False, reference.member, trials, undecided)


def _test(
    shelf: Shelf, name: str, problems: Sequence[Problem], reference: Measured, loss: float, confidence: float
) -> Test:
    """Candidates against the reference on these problems, which are answered as far as they are looked at."""

    def changes_of(member: str, n: int) -> FloatArray:
        before, after = (shelf.measuring.responses(one, problems, name, n) for one in (reference.member, member))
        return changes(before, after, problems[:n])

    return Test(name, gate.plan_looks(len(problems), loss, confidence), changes_of)


def _candidates(shelf: Shelf, reference: Measured) -> list[Point]:
    """All but the reference, which needs no test, and the base."""
    return [one for one in shelf.points(reference) if one.member not in (BASE, reference.member)]


def _within_length(shelf: Shelf, tokens: float, reference: Measured, quantile: float | None) -> Choice:
    """The longest on the frontier that is short enough, weights between the two around the length tried for it."""
    for _ in range(TRIES):
        longer, within = ladder.around(shelf.points(reference, quantile), tokens)
        if longer is None or within is None or within.tokens >= (1 - CLOSE) * tokens:
            break
        share = (longer.tokens - AIM * tokens) / (longer.tokens - within.tokens)
        if not shelf.add(longer.member, within.member, min(share, 1.0)):
            break
    points = shelf.points(reference, quantile)
    _, within = ladder.around(points, tokens)
    if within is not None:
        return Choice(within.member, True, reference.member)
    shortest = min(points, key=lambda one: one.tokens)
    return Choice(shortest.member, False, reference.member, best=shortest.tokens)
