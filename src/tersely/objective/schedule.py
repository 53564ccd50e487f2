"""What alpha is at a step: a pure function of the step, so that a resumed run needs no state of it.

To add one: a frozen dataclass here that extends ``Schedule``, and a line in ``SCHEDULES``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tersely.errors import UserError
from tersely.objective.build import number


class Schedule(ABC):
    """Base of every schedule; its dataclass fields are its settings."""

    @abstractmethod
    def alpha_at(self, alpha: float, step: int) -> float:
        """Alpha of step ``step`` (the first that trains is 1), where ``alpha`` is the one that was asked for."""


@dataclass(frozen=True)
class Constant(Schedule):
    """alpha_k = alpha: the paper's."""

    def alpha_at(self, alpha: float, step: int) -> float:
        return alpha


@dataclass(frozen=True)
class LinearRamp(Schedule):
    """alpha_k = start + (alpha - start) * k / steps up to k = steps, then alpha exactly.

    Degenerate cases: steps = 1 is constant; start = alpha is constant.
    """

    steps: int
    """Steps until alpha is reached, >= 1."""
    start: float = 0.0
    """Alpha before the first step, 0 <= start."""

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise UserError(f"steps of the schedule must be a whole number of at least 1, not {self.steps!r}")
        object.__setattr__(self, "start", number("start of the schedule", self.start, "0 <= start", 0.0))

    def alpha_at(self, alpha: float, step: int) -> float:
        if step >= self.steps:
            return alpha
        return self.start + (alpha - self.start) * step / self.steps


SCHEDULES: Mapping[str, type[Schedule]] = MappingProxyType(
    {
        "constant": Constant,
        "linear": LinearRamp,
    }
)
"""Schedules by the name that ``Objective(schedule=...)`` and a configuration use."""
