"""What a method is shown of one group, and what it may ask to be shown.

``_G``: siblings, all responses to one problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tersely.records import BoolArray, FloatArray

State = Mapping[str, Any]
"""What a method remembers from step to step: plain JSON values under text keys, so that a checkpoint can hold it."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """One validated group (``inputs.read_group``), G >= 1. Fields that are None were not given.

    Example: two responses, the first correct, a cap of 512 tokens:
    ``GroupView(np.array([1.0, 0.0]), np.array([120.0, 512.0]), np.array([True, True]), cap=512)``
    """

    scores_G: FloatArray
    """[G] in [0, 1], worth before length: 1 correct, 0 wrong, between them from a verifier that grades. A truncated
    response is the caller's to mark as wrong."""
    lengths_G: FloatArray
    """[G] finite tokens, >= 0 where counted."""
    counted_G: BoolArray
    """[G] False where the judge could not say: such rows belong to no statistic."""
    truncated_G: BoolArray | None = None
    """[G] True where the cap ended the response."""
    cap: int | None = None
    """Most tokens that a response could have."""
    budgets_G: FloatArray | None = None
    """[G] tokens > 0 that each prompt asked for."""
    texts_G: tuple[str, ...] | None = None
    """[G] the responses as text."""
    problem_id: str | None = None
    """The same for the same problem in every step."""
    state: State | None = None
    """What the method remembers; only methods that need it are given one."""
    level: str | None = None
    """Of effort, that the prompt asked for."""

    @property
    def earning_G(self) -> BoolArray:
        """[G] counted and worth something: the correct ones, and graded ones above 0."""
        return self.counted_G & (self.scores_G > 0)


class Need(StrEnum):
    """What a method must be shown beyond scores and lengths; the value is the field of ``GroupView`` that holds it."""

    TRUNCATED = "truncated_G"
    CAP = "cap"
    BUDGET = "budgets_G"
    TEXT = "texts_G"
    PROBLEM = "problem_id"
    STATE = "state"

    @property
    def words(self) -> str:
        """How messages call it."""
        return _WORDS[self]


_WORDS = {
    Need.TRUNCATED: "which responses were truncated (truncated)",
    Need.CAP: "the cap on tokens (cap)",
    Need.BUDGET: "the budget of each prompt (budgets)",
    Need.TEXT: "the text of the responses (texts)",
    Need.PROBLEM: "which problem a group answers (problem_id)",
    Need.STATE: "what it remembers of earlier steps (state)",
}
