"""The method's population-level claim, checked exactly on a tabular policy.

The claim (arXiv 2502.04463): a policy that covers a correct answer and maximises E[1{correct} (1 - alpha f(length))]
for an increasing f is always correct and gives the shortest correct response. It is stated for a fixed f; the f of
Eq. 5 is none, because it standardises by the lengths that happen to be drawn together. Here both are computed without
sampling: one prompt, K possible responses, a softmax policy with one logit each, groups of n drawn independently.

    q_k(p)  = E[A_i | y_i = k] over the other n - 1 responses of the group   (a sum over all multisets of n - 1 of K)
    p_k    <- p_k exp(eta q_k) / Z                                            (a step of natural policy gradient)

The natural gradient of a tabular softmax policy is this multiplicative update (Kakade 2001; Agarwal et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike

from tersely.errors import UserError
from tersely.objective import Objective
from tersely.objective.length import sigmoid
from tersely.records import FloatArray

GroupCredit = Callable[[FloatArray, FloatArray], FloatArray]
"""(correct [n], lengths [n]) -> advantages [n]."""


def standardised(objective: Objective) -> GroupCredit:
    """The method as it is trained: lengths standardised within each group (Eq. 5)."""
    return lambda correct_n, lengths_n: objective.credit(correct_n, lengths_n).advantages_G


def fixed(alpha: float, mean: float, std: float) -> GroupCredit:
    """The claim as stated: f(length) = sigmoid((length - mean) / std) with constants; leave-one-out advantages."""

    def credit(correct_n: FloatArray, lengths_n: FloatArray) -> FloatArray:
        rewards_n = correct_n * (1.0 - alpha * sigmoid((lengths_n - mean) / std))
        return np.asarray(rewards_n - (rewards_n.sum() - rewards_n) / (len(rewards_n) - 1))

    return credit


@dataclass(frozen=True)
class TabularProblem:
    """One prompt with K possible responses, and what each earns in every company it can be drawn in."""

    correct_K: FloatArray
    lengths_K: FloatArray
    advantages_KM: FloatArray
    """Of response k beside multiset m of n - 1 others."""
    counts_MK: FloatArray
    """How often each response is in multiset m."""
    ways_M: FloatArray
    """Orders in which a multiset can be drawn: (n - 1)! / prod of counts!."""

    @classmethod
    def of(cls, correct_K: ArrayLike, lengths_K: ArrayLike, n: int, credit: GroupCredit) -> TabularProblem:
        """All groups enumerated: K * C(n + K - 2, n - 1) of them. UserError for fewer than two in a group."""
        correct = np.asarray(correct_K, dtype=np.float64)
        lengths = np.asarray(lengths_K, dtype=np.float64)
        if n < 2 or correct.shape != lengths.shape:
            raise UserError(f"groups of {n} and {correct.size} responses with {lengths.size} lengths: give n >= 2 and "
                            "a length for each response")  # fmt: skip
        others = list(combinations_with_replacement(range(correct.size), n - 1))
        counts = np.array([np.bincount(m, minlength=correct.size) for m in others], dtype=np.float64)
        ways = np.array([math.factorial(n - 1) / math.prod(math.factorial(int(c)) for c in row) for row in counts])
        groups = [[[k, *m] for m in others] for k in range(correct.size)]
        advantages = np.array([[credit(correct[g], lengths[g])[0] for g in row] for row in groups])
        return cls(correct, lengths, advantages, counts, ways)

    def expected_advantages(self, policy_K: FloatArray) -> FloatArray:
        """[K] q_k(p) = sum_m P(m) A(k, m), with P(m) multinomial."""
        # 0 ** 0 is 1 here, as it must be for a response that is never drawn.
        chances_M = self.ways_M * np.prod(policy_K[None, :] ** self.counts_MK, axis=1)
        return np.asarray(self.advantages_KM @ chances_M)

    def accuracy(self, policy_K: FloatArray) -> float:
        return float(policy_K @ self.correct_K)

    def length(self, policy_K: FloatArray) -> float:
        return float(policy_K @ self.lengths_K)


def ascend(problem: TabularProblem, policy_K: ArrayLike, steps: int, rate: float = 1.0) -> Iterator[FloatArray]:
    """The policy after 0, 1, ... ``steps`` exact natural-gradient steps, [K] each."""
    logits_K = np.log(np.asarray(policy_K, dtype=np.float64))
    for _ in range(steps + 1):
        shifted_K = np.exp(logits_K - logits_K.max())
        policy = shifted_K / shifted_K.sum()
        yield policy
        logits_K = logits_K + rate * problem.expected_advantages(policy)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an ascent ended."""

    name: str
    accuracy: float
    length: float
    shortest: float
    """Probability of the shortest correct response."""


def check(
    policy_K: ArrayLike, correct_K: ArrayLike, lengths_K: ArrayLike, *, alpha: float, n: int, steps: int = 400
) -> list[Outcome]:
    """Start, and the end of the ascent under the fixed f, under Eq. 5, and under Eq. 5 with advantages divided by the
    group's deviation. The constants of the fixed f are mean and deviation over the correct responses at the start."""
    start = np.asarray(policy_K, dtype=np.float64)
    correct, lengths = np.asarray(correct_K, dtype=np.float64), np.asarray(lengths_K, dtype=np.float64)
    weights = start * correct / (start @ correct)
    mean = float(weights @ lengths)
    std = math.sqrt(float(weights @ (lengths - mean) ** 2))
    credits: dict[str, GroupCredit] = {
        "fixed f": fixed(alpha, mean, std),
        "standardised within the group (Eq. 5)": standardised(Objective(alpha)),
        "Eq. 5, advantages divided by the group's deviation": standardised(Objective(alpha, normalize="group")),
    }
    best = int(np.argmin(np.where(correct > 0, lengths, np.inf)))
    found: list[Outcome] = []
    for name, credit in credits.items():
        problem = TabularProblem.of(correct, lengths, n, credit)
        *_, policy = ascend(problem, start, steps)
        if not found:
            found.append(Outcome("start", problem.accuracy(start), problem.length(start), float(start[best])))
        found.append(Outcome(name, problem.accuracy(policy), problem.length(policy), float(policy[best])))
    return found


def check_strategies(
    policy_S: ArrayLike, right_S: ArrayLike, lengths_S: ArrayLike, credit: GroupCredit, *, n: int, steps: int = 400
) -> Outcome:
    """Where the claim does not reach: the policy chooses among S ways to answer, each right with a chance of its own.

    Then terseness can cost accuracy, and what wins depends on how advantages are scaled. ``right_S`` chances,
    ``lengths_S`` tokens; ``shortest`` of the outcome is the probability of the shortest way.
    """
    right, lengths = np.asarray(right_S, dtype=np.float64), np.asarray(lengths_S, dtype=np.float64)
    policy = np.asarray(policy_S, dtype=np.float64)
    # Each way is two responses, a right and a wrong one; the policy moves them together.
    problem = TabularProblem.of(np.r_[np.ones(right.size), np.zeros(right.size)], np.r_[lengths, lengths], n, credit)
    for _ in range(steps):
        q_right, q_wrong = np.split(problem.expected_advantages(np.r_[policy * right, policy * (1 - right)]), 2)
        logits = np.log(policy) + right * q_right + (1 - right) * q_wrong
        policy = np.exp(logits - logits.max())
        policy = np.maximum(policy / policy.sum(), np.finfo(np.float64).tiny)
    shortest = int(np.argmin(lengths))
    return Outcome("ways", float(policy @ right), float(policy @ lengths), float(policy[shortest]))
