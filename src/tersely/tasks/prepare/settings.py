"""How raw problems are filtered and drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from tersely.errors import UserError
from tersely.records import JsonObject


class Balance(StrEnum):
    """How many problems of each source are drawn."""

    EQUAL = "equal"
    """The same number of every source, as far as they go."""
    PROPORTIONAL = "proportional"
    """As they are among what is left."""


class OverlapRule(StrEnum):
    """When a problem overlaps an evaluation problem."""

    NGRAMS = "ngrams"
    """By shared runs of words (``dedup``)."""
    EQUAL = "equal"
    """Equal words alone, for tasks made from templates, where every problem shares long runs with many others."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How problems are filtered and drawn. Example: ``Settings(size=3200, balance=Balance.PROPORTIONAL)``."""

    size: int | None = None
    """Problems to keep; None: all that pass."""
    seed: int = 0
    numeric_only: bool = True
    balance: Balance = Balance.EQUAL
    overlap: OverlapRule = OverlapRule.NGRAMS

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise UserError(f"size {self.size} is no number of problems; ask for at least 1")

    def to_json(self) -> JsonObject:
        return asdict(self)
