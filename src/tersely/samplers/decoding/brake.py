"""``brake:TAU``: thinking ends at the end of a sentence where its end is nearly what the model would say next.

    max_v log p(v) - log p(</think>) <= TAU   ->   the closing text is read, then the model goes on by itself

In the manner of ThinkBrake (Song et al. 2025, arXiv:2510.00546): the margin between the most probable token and the end
of thinking, looked at behind every sentence. TAU is in nats, at temperature 1 whatever is sampled at. A sentence ends
with a token whose text ends with one of ``.?!`` or a line break, blanks aside; these are our reading of "sentence
boundary". ``brake:TAU:any`` looks behind every token, for models that write no sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tersely.samplers.decoding.base import NONE, Rule, Tokens

ENDS = (".", "?", "!", "\n")
ANY = "any"


@dataclass(frozen=True, slots=True)
class Brake:
    """Thinking ends where the margin is ``margin`` nats at most."""

    margin: float
    anywhere: bool = False

    example: ClassVar[str] = "brake:0.25"
    closes: ClassVar[bool] = True

    @classmethod
    def parse(cls, value: str) -> Self:
        number, colon, where = value.partition(":")
        try:
            margin = float(number)
        except ValueError:
            margin = math.nan
        if not 0.0 <= margin < math.inf:
            raise ValueError("it needs a margin in nats, 0 or more")
        if colon and where != ANY:
            raise ValueError(f"behind the margin only {ANY} can stand")
        return cls(margin, bool(colon))

    def rule(self, tokens: Tokens) -> Rule:
        ends = [self.anywhere or ends_sentence(text) for text in tokens.texts]
        # Logits may have more columns than the tokenizer has tokens, so ids are looked up with a bound.
        return _Braking(self, np.array(ends, np.bool_), list(tokens.marks))


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with this token."""
    return text.rstrip(" ").endswith(ENDS)


@dataclass(frozen=True, slots=True)
class _Braking:
    option: Brake
    ends_V: NDArray[np.bool_]
    marks: list[int]

    def banned(self) -> NDArray[np.int64]:
        return NONE

    def stops(self, said: int, last_R: NDArray[np.int64], logits_RV: Any) -> NDArray[np.bool_]:
        at_end_R = (last_R >= 0) & (last_R < len(self.ends_V))
        at_end_R &= self.ends_V[np.where(at_end_R, last_R, 0)]
        if not at_end_R.any():
            return at_end_R
        margin_R = logits_RV.amax(-1) - logits_RV[:, self.marks].amax(-1)
        near_R: NDArray[np.bool_] = margin_R.cpu().numpy() <= self.option.margin
        return at_end_R & near_R
