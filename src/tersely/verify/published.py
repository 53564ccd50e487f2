"""The policy ``published``: what papers count, for comparing with their numbers. Off unless it is asked for.

The last number of prose counts as the answer where none is stated, and numbers agree as in the evaluation code of
Qwen2.5-Math: to a relative 1e-4, and also as a percentage (times or by 100). Whatever our own rule takes it takes too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import isclose

from tersely.records import Kind, Problem, Status, Verdict
from tersely.verify.grammar import clean, number
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
    return replace(own, status=status, extracted=answer, reason=f"{PUBLISHED}: {'agrees' if right else own.reason}")


def _last_number(response: str) -> str | None:
    found = _NUMBER.findall((graded(response) or "")[-TAIL:])
    return found[-1] if found else None


def _agree(gold: str, answer: str) -> bool:
    ours, theirs = (number(clean(text).removesuffix("%").strip()) for text in (gold, answer))
    if ours is None or theirs is None:
        return False
    return any(isclose(float(theirs), float(ours * factor) / 100, rel_tol=TOLERANCE) for factor in (1, 100, 10_000))
