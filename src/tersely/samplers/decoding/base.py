"""What a decoding option is, and what it knows of a model's tokens (no torch here)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one model, as an option sees them."""

    texts: tuple[str, ...]
    """Of each id."""
    marks: tuple[int, ...]
    """Ids that end thinking, such as that of ``</think>``."""


class Rule(Protocol):
    """An option for one model; rows are those of the batch that is decoded (R), V the logits of a row."""

    def banned(self) -> NDArray[np.int64]:
        """Ids that are never drawn."""

    def stops(self, said: int, last_R: NDArray[np.int64], logits_RV: Any) -> NDArray[np.bool_]:
        """[R] whether thinking ends here, were it not ended: ``said`` tokens stand before (in every row), of which
        ``last_R`` is the last (-1 before the first); logits are the model's own, before the temperature."""


class Option(Protocol):
    """One decoding option, as it was asked for. Frozen."""

    example: ClassVar[str]
    """As one writes it."""
    closes: ClassVar[bool]
    """Whether it ends thinking itself: then it needs a mark to end it by."""

    @classmethod
    def parse(cls, value: str) -> Self:
        """What stands behind the colon. ValueError, with a few words, where that means nothing."""

    def rule(self, tokens: Tokens, temperature: float) -> Rule:
        """At the temperature that is sampled at (1 where it is greedy). UserError where the option means nothing for
        these tokens."""


NONE = np.zeros(0, np.int64)
