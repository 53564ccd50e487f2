"""Judges for tests: a random model never answers, so what counts as right is a property of the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tersely.records import Problem, Status, Verdict
from tersely.verify import Judge


def is_odd(text: str) -> bool:
    """About half of all texts, and always the same ones."""
    return sum(text.encode()) % 2 == 1


class ParityJudge(Judge):
    """Odd texts are right."""

    def begin_grading(self, problem: Problem, text: str) -> None:
        return None

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [Verdict(Status.CORRECT if is_odd(text) else Status.WRONG, "x", "test") for _, text in pairs]


class UnsureJudge(ParityJudge):
    """As ``ParityJudge``, but it cannot say for every ``share``-th response."""

    def __init__(self, share: int, **options: Any) -> None:
        super().__init__(**options)
        self.share = share

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        unsure = Verdict(Status.UNJUDGED, "x", "timeout")
        return [unsure if i % self.share == 0 else verdict for i, verdict in enumerate(super().grade(pairs))]


class InterruptedJudge(ParityJudge):
    """As ``ParityJudge``, but something else than the answer ends its process, at every text while ``interrupted``."""

    interrupted = True

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        lost = Verdict(Status.UNJUDGED, "x", "its process was stopped from outside, twice", outside=True)
        return [lost if self.interrupted else verdict for verdict in super().grade(pairs)]


def odd(problem: Problem, text: str) -> bool:
    """A verifier of the same rule: ``graders:odd``."""
    return is_odd(text)
