"""The test that a model passes or not, on problems that nothing was chosen by.

Candidates are tested one by one from the most careful to the tersest, each at the full error, until one fails: the last
that passed is taken. As their order is fixed before a single problem of this set is seen, the chance that any model
passes which loses more than allowed is at most the error of one test (fixed sequence testing: Maurer, Hothorn and
Lehmacher 1995; "Learn then Test", Angelopoulos et al. 2021, arXiv:2110.01052).

Each is looked at several times, so that a clear case costs few problems; the error is shared out among the looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tersely.analysis.bounded import chance_at_most, fewest_problems, mean_bound
from tersely.records import FloatArray, JsonObject

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the problems: where a candidate may be looked at."""
POWER = 0.8
"""Chance of passing that "so many problems would decide it" promises."""

ChangesOf = Callable[[str, int], FloatArray]
"""(candidate, n) -> its change on each of the first n problems, as a share of responses in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Look:
    """How many problems, and which chance of a false pass is spent there."""

    problems: int
    error: float


@dataclass(frozen=True, slots=True)
class Test:
    """What a candidate must pass: on problems of one task."""

    __test__ = False  # pytest takes the name for one of its own
    name: str
    looks: Sequence[Look]
    changes_of: ChangesOf


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one candidate in one test: after how many problems it passed or failed."""

    member: str
    test: str
    problems: int
    change: float
    """Mean over the problems."""
    low: float
    """One-sided bound of the change at the error of this look."""
    error: float
    passed: bool

    def to_json(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.__slots__}


def plan_looks(problems: int, loss: float, confidence: float = 0.95) -> tuple[Look, ...]:
    """The looks at up to ``problems`` problems for "loses at most ``loss``"; none where they are too few to pass.

    Look j at n_j spends ``a_j = e(n_j) - e(n_(j-1))`` with ``e(n) = delta ln(1 + (exp(1) - 1) n / n_max)``, which is
    about even (Lan and DeMets 1983, Pocock's kind). A look at which not even a model that loses nothing would pass is
    left out, and what it would have spent goes to the next.
    """
    delta, looks, spent = 1 - confidence, list[Look](), 0.0
    for share in SHARES:
        n = round(problems * share)
        error = delta * math.log1p((math.e - 1) * share) - spent
        if n and fewest_problems(loss, 1 - error) <= n:
            looks.append(Look(n, error))
            spent += error
    return tuple(looks)


def passes(changes_P: FloatArray, loss: float, error: float) -> bool:
    """Whether "loses ``loss`` or more" is refuted: ``analysis.loss_bound`` at confidence ``1 - error`` is at least
    ``-loss``."""
    return chance_at_most(changes_P, -1.0, -loss) < error


def is_hopeless(changes_P: FloatArray, loss: float) -> bool:
    """Whether the mean lies more than a standard error below what is allowed: further problems would hardly turn it.

    Failing early never lets a model pass that should not.
    """
    error = float(changes_P.std(ddof=1)) / math.sqrt(changes_P.size)
    return float(changes_P.mean()) + error < -loss


def try_member(member: str, test: Test, loss: float) -> Trial:
    """One candidate: looked at until it passes, is hopeless, or there are no more problems."""
    for look in test.looks:
        changes_P = test.changes_of(member, look.problems)
        passed = passes(changes_P, loss, look.error)
        if passed or look is test.looks[-1] or is_hopeless(changes_P, loss):
            low = mean_bound(changes_P, -1.0, 1.0, 1 - look.error)
            return Trial(member, test.name, look.problems, float(changes_P.mean()), low, look.error, passed)
    raise ValueError("a test needs at least one look: the problems are too few")


def try_in_order(careful_to_terse: Sequence[str], tests: Sequence[Test], loss: float) -> list[Trial]:
    """The trials up to the first that fails.

    Of several tests a candidate must pass every one, so each may take the whole error (an intersection-union test:
    Berger 1982).
    """
    trials: list[Trial] = []
    for member in careful_to_terse:
        for test in tests:
            trials.append(try_member(member, test, loss))
            if not trials[-1].passed:
                return trials
    return trials


def last_to_pass(trials: Sequence[Trial]) -> str | None:
    """The last candidate that passed all of its tests."""
    failed = {trial.member for trial in trials if not trial.passed}
    passed = [trial.member for trial in trials if trial.member not in failed]
    return passed[-1] if passed else None


def problems_to_decide(change: float, spread: float, loss: float, confidence: float = 0.95) -> int | None:
    """About how many problems would pass a model whose changes have this mean and standard deviation, in four of five
    cases; None where it loses too much for any number."""
    room = change + loss
    if room <= 0:
        return None
    reach = -float(ndtri(1 - confidence)) + float(ndtri(POWER))
    return max(fewest_problems(loss, confidence), math.ceil((reach * spread / room) ** 2))


def smallest_loss(problems: int, spread: float = 0.0, confidence: float = 0.95) -> float:
    """The smallest loss (a share) that so many problems can certify of a model that loses nothing.

    ``spread``: standard deviation of its changes over problems (0: not one response differs), in four of five cases.
    """
    exact = 1 - (1 - confidence) ** (1 / problems)
    reach = -float(ndtri(1 - confidence)) + float(ndtri(POWER))
    return float(max(exact, reach * spread / math.sqrt(problems)))


def spread_by_chance(right_P: FloatArray, judged_P: FloatArray) -> float:
    """Standard deviation over problems of the change between two samplings of one model, from one of them.

    ``right_P`` of ``judged_P`` responses to each problem were right. The variance of a share of k responses that are
    right with chance p is p(1-p)/k, of which ``right (k - right) / (k (k - 1)) / k`` is an unbiased estimate; a
    difference has twice that. With one response a problem p is taken to be the same for all problems.
    """
    several = judged_P > 1
    if not several.any():
        rate = float(right_P.sum() / judged_P.sum())
        return math.sqrt(2 * rate * (1 - rate))
    right, k = right_P[several], judged_P[several]
    return math.sqrt(2 * float(np.mean(right * (k - right) / (k * k * (k - 1)))))
