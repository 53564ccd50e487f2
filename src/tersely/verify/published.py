"""The policy ``published``: what papers count, for comparing with their numbers. Off unless it is asked for.

The last number of prose counts as the answer where none is stated, and numbers agree as in the evaluation code of
Qwen2.5-Math: to a relative 1e-4, and also as a percentage (times or by 100). Whatever our own rule takes it takes too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import isclose

from tersely.errors import UserError
from tersely.records import Kind, Problem, Status, Verdict
from tersely.verify.grammar import clean, number
from tersely.verify.judge import Judge
from tersely.verify.visible import TAIL, graded

PUBLISHED = "published"
TOLERANCE = 1e-4
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


def published(problem: Problem, response: str, own: Verdict) -> Verdict:
    """The verdict by this policy, from that of our own rule; it differs for mathematics only."""
    if problem.kind != Kind.MATH or own.status in (Status.CORRECT, Status.UNJUDGED):
        return own
    answer = own.extracted or _last_number(response)
    if answer is None:
        return own
    right = _agree(problem.gold, answer)
    status = Status.CORRECT if right else Status.WRONG
    said = f"{PUBLISHED}: {'agrees' if right else 'differs'} (own rule: {own.status.value}, {own.reason})"
    return replace(own, status=status, extracted=answer, reason=said)


class PublishedJudge(Judge):
    """A judge that counts by this policy and keeps what our own rule says. UserError for a policy of another name."""

    def __init__(self, workers: int, policy: str = PUBLISHED) -> None:
        if policy != PUBLISHED:
            raise UserError(f"policy {policy!r} is unknown: there is {PUBLISHED!r}")
        super().__init__(workers)

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        own = super().grade(pairs)
        return [
            replace(published(problem, text, verdict), own_status=verdict.status)
            for (problem, text), verdict in zip(pairs, own, strict=True)
        ]


def _last_number(response: str) -> str | None:
    found = _NUMBER.findall((graded(response) or "")[-TAIL:])
    return found[-1] if found else None


def _agree(gold: str, answer: str) -> bool:
    ours, theirs = (number(clean(text).removesuffix("%").strip()) for text in (gold, answer))
    if ours is None or theirs is None:
        return False
    return any(isclose(float(theirs), float(ours * factor) / 100, rel_tol=TOLERANCE) for factor in (1, 100, 10_000))
