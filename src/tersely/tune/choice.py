"""Choosing among the measured models: for a floor by the test, for a length by interpolation and the same problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

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
LENGTH_PROBLEMS = 1200
"""Of the test, that a length is measured on: the screening problems leave a mean uncertain by 3 %, these by 1.5 %."""
NEAR = 0.03
"""Share of the tokens wanted that may be left unused: less is within what other problems need more or less."""
AIM = 0.985
"""Share of the tokens wanted that is aimed at."""
CHANCE = 0.05
"""At most of preferring a shorter model that is not the more accurate one, to where a length would be met."""


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
    length: float | None = None
    """For a length: tokens of the member, as the target counts them; where it is not met, those of the shortest."""
    problems: int | None = None
    """For a length: of the test, that it was measured on."""


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

    def tested(self, member: str) -> Measured:
        """A model's responses to the first ``LENGTH_PROBLEMS`` of the test."""
        problems = self.sets.test[:LENGTH_PROBLEMS]
        records = self.measuring.responses(member, self.sets.test, "test", len(problems))
        return Measured.of_records(member, 0, records, [problem.id for problem in problems])

    def add(self, one: str, other: str, weight: float) -> str | None:
        """Make and measure weights between two models; their name, None where they are there already."""
        blend = self.blends[one].towards(self.blends[other], weight)
        if blend.name in self.blends:
            return None
        self.measuring.models.made(blend)
        records = self.measuring.responses(blend.name, self.sets.screen, "screen")
        order = [problem.id for problem in self.sets.screen]
        self.measured.append(Measured.of_records(blend.name, 0, records, order))
        self.blends[blend.name] = blend
        return blend.name


def choose(shelf: Shelf, target: Target, against_best: bool, confidence: float) -> Choice:
    """The shortest model that keeps the floor, or the most accurate that is short enough."""
    reference = most_accurate(shelf.measured) if against_best else shelf.measured[0]
    if target.loss is not None:
        return _within_loss(shelf, target.loss, reference, confidence)
    return _within_length(shelf, target, reference)


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


def _within_length(shelf: Shelf, target: Target, reference: Measured) -> Choice:
    """The longest that is short enough, weights between two checkpoints tried for it; a shorter one where that is
    surely the more accurate.

    The screening problems say where to look, those of the test how long each is.
    """
    quantile, tokens = target.quantile, _tokens(shelf, target)
    line = _from_above(shelf, tokens, target)
    longer, within = None, shelf.tested(line[0].member)
    for one in line[1:]:
        if within.length(quantile) <= tokens:
            break
        longer, within = within, shelf.tested(one.member)
    met = within.length(quantile) <= tokens
    if met and longer is not None:
        within = _interpolated(shelf, longer, within, tokens, quantile)
    if met:
        within = _unless_beaten(shelf, within, quantile)
    return Choice(within.member, met, reference.member, length=within.length(quantile), problems=len(within.tokens_PK))


def _tokens(shelf: Shelf, target: Target) -> float:
    """Tokens to be met on the problems of the test; a share to be saved is one of what the base needs on these."""
    if target.tokens is not None:
        return target.tokens
    wanted = target.tokens_wanted(shelf.tested(shelf.measured[0].member).length())
    assert wanted is not None
    return wanted


def _from_above(shelf: Shelf, tokens: float, target: Target) -> list[Measured]:
    """Those that no shorter one surely beats, longest first, from the tersest that is longer than what is wanted: by
    screening, and if it is far below on the test, from the one before it."""
    quantile, screened = target.quantile, target.tokens_wanted(shelf.measured[0].length())
    assert screened is not None
    line = sorted(shelf.measured, key=lambda one: one.length(quantile), reverse=True)
    kept = [one for n, one in enumerate(line) if not _is_beaten(one, line[n + 1 :])]
    first = max(sum(one.length(quantile) > screened for one in kept) - 1, 0)
    while first and shelf.tested(kept[first].member).length(quantile) < (1 - NEAR) * tokens:
        first -= 1
    return kept[first:]


def _is_beaten(one: Measured, shorter: Sequence[Measured]) -> bool:
    return any(_surely_better(other, one, len(shorter)) for other in shorter)


def _interpolated(shelf: Shelf, longer: Measured, within: Measured, tokens: float, quantile: float | None) -> Measured:
    """Weights between two models that use at least ``1 - NEAR`` of the tokens, as nearly as ``TRIES`` find them."""
    for _ in range(TRIES):
        high, low = longer.length(quantile), within.length(quantile)
        if low >= (1 - NEAR) * tokens:
            break
        mix = shelf.add(longer.member, within.member, (high - AIM * tokens) / (high - low))
        if mix is None:
            break
        between = shelf.tested(mix)
        if between.length(quantile) <= tokens:
            within = max(within, between, key=lambda one: one.length(quantile))
        else:
            longer = between
    return within


def _unless_beaten(shelf: Shelf, near: Measured, quantile: float | None) -> Measured:
    """This one, or the most accurate by screening of those no longer, where the test makes it surely the better one."""
    length = near.length(quantile)
    rivals = [one for one in shelf.measured if one.length(quantile) <= length and one.member != near.member]
    rival = shelf.tested(most_accurate(rivals).member) if rivals else near
    return rival if rival.length(quantile) <= length and _surely_better(rival, near) else near


def _surely_better(one: Measured, other: Measured, comparisons: int = 1) -> bool:
    """Whether it is the more accurate by more than chance makes of equals in one of so many comparisons."""
    seen = point(one, other)
    return seen.change > NormalDist().inv_cdf(1 - CHANCE / comparisons) * seen.error
