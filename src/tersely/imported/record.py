"""What any log gives, whoever wrote it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tersely.records import Finish, Problem


@dataclass(frozen=True, slots=True)
class Scored:
    """What one scorer of a log says of a response."""

    value: float
    """1 is right, 0 wrong; NaN where it could not say."""
    answer: str | None = None
    """That it found."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One response of a log."""

    log_id: str
    """What the log calls the problem."""
    problem: Problem
    text: str
    """With its thinking in ``<think>`` tags, where the log keeps that apart."""
    finish: Finish
    tokens: int | None
    """As the log counted them; None where it did not."""
    thinking_tokens: int | None
    scores: Mapping[str, Scored]
    """By the name of the scorer; none for a response that nobody scored."""
    failed: bool = False
    """It ended in an error, and the log reckons without it unless it was scored all the same."""
    opened: bool = False
    """Its prompt opened a thought, as far as the log tells: the text has to close it."""

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"a response is {self.text!r:.40}, no text")
        for name in ("tokens", "thinking_tokens"):
            require_count(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Asked:
    """How the model was asked, as far as the log says: None where it does not."""

    template: str | None = None
    """What was made of the question, in the log's words."""
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    request: str | None = None
    """What was asked for besides: a level of effort, a system prompt."""
    further: Mapping[str, str] = field(default_factory=dict)
    """What else makes two logs of one task no longer comparable, by name."""

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p", "max_new_tokens"):
            if not isinstance(getattr(self, name), int | float | None):
                raise ValueError(f"{name} is {getattr(self, name)!r:.40}, no number")


@dataclass(frozen=True, slots=True)
class ForeignLog:
    """One log: one model on one task."""

    made_by: str
    """The evaluator, with its version."""
    task: str
    version: str
    """Of the task, in the log's words."""
    model: str
    answers: tuple[Answered, ...]
    """The first response to every problem, then the second, ..."""
    asked: Asked
    accuracies: Mapping[str, float]
    """That the log says of itself, by the name of the scorer; only where that is a mean."""
    missing: int = 0
    """Responses that the log does not hold although it counted them."""
    says_finish: bool = True
    """Whether it says which responses ended by themselves: else those as long as the cap count as cut off."""

    @property
    def scorers(self) -> list[str]:
        """Whose scores it has."""
        return list(dict.fromkeys(name for one in self.answers for name in one.scores))


def require_count(name: str, value: object) -> None:
    """ValueError for what is neither None nor a number of tokens."""
    if value is not None and not (isinstance(value, int) and value >= 0):
        raise ValueError(f"{name} is {value!r:.40}, no number of tokens")


def number(value: object) -> float:
    """A score as a number: True is 1, text that says one is one. ValueError for anything else."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and math.isfinite(found := float(value)):
        return found
    raise ValueError(f"a score is {value!r:.40}, no number")
