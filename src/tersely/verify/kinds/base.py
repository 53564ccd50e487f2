"""What an answer kind is: how one final answer is compared with one gold answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tersely.records import Status

Decision = tuple[Status | None, str]
"""Status and reason; None where only math-verify can tell."""

GoldCheck = tuple[bool | None, str]
"""Whether a gold answer can be used, and why not; None where only math-verify can tell."""


def any_gold(gold: str) -> GoldCheck:
    """For a kind that every gold answer suits (empty and very long ones never reach a kind)."""
    return True, ""


@dataclass(frozen=True, slots=True, eq=False)
class AnswerKind:
    """One way to compare a final answer with the gold answer.

    Example: ``AnswerKind("parity", lambda gold, answer: (Status.CORRECT, "both even"))``. The functions are pure:
    the same texts always give the same outcome, which is kept.
    """

    name: str
    decide: Callable[[str, str], Decision]
    """(gold, answer) -> status and reason, here and now, in little time whatever the texts."""
    check_gold: Callable[[str], GoldCheck] = any_gold
    for_worker: Callable[[str], str] | None = None
    """A gold or an answer as math-verify shall read it where ``decide`` or ``check_gold`` says None."""
