"""``budget:N``: thinking ends after N tokens, by force, and the model answers.

    t = N and thinking is open   ->   the closing text is read, then the model goes on by itself

Budget forcing of s1 (Muennighoff et al. 2025, arXiv:2501.19393), without its "Wait" for longer thinking; the same as
``thinking_token_budget`` of vLLM. N tokens of thinking are drawn at most; the closing text counts as tokens of the
response. ``budget:0`` answers without thinking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tersely.samplers.decoding.base import NONE, Rule, Tokens


@dataclass(frozen=True, slots=True)
class Budget:
    """N tokens of thinking at most."""

    tokens: int

    example: ClassVar[str] = "budget:512"
    closes: ClassVar[bool] = True

    @classmethod
    def parse(cls, value: str) -> Self:
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise ValueError("it needs a whole number of tokens")
        return cls(int(value))

    def rule(self, tokens: Tokens, temperature: float) -> Rule:
        return self

    def banned(self) -> NDArray[np.int64]:
        return NONE

    def stops(self, said: int, last_R: NDArray[np.int64], logits_RV: Any) -> NDArray[np.bool_]:
        return np.full(len(last_R), said >= self.tokens)
