"""``brake:TAU``: thinking ends at the end of a sentence where its end is nearly what the model would say next.

    log p(y*) - log p(</think>) <= TAU   ->   the closing text is read, then the model goes on by itself

In the manner of ThinkBrake (Song et al. 2025, arXiv:2510.00546, equations 1 and 4): y* is the most probable token
besides ``</think>``, p what is sampled from, temperature included, so that TAU is in nats at that temperature. The
paper takes 0.1 for Qwen3 and R1-7B, 2.5 for Phi-4. A sentence ends with a token whose text ends with one of ``.?!`` or
a line break, blanks aside: our reading of "sentence boundary", which the paper leaves open. Its code
(github.com/ssangjun706/ThinkBrake) looks behind ``.`` and a blank line alone, takes the token that it samples for y*,
and puts the mark behind one line break. ``brake:any:TAU`` looks behind every token, for models that write no sentences.
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

    example: ClassVar[str] = "brake:0.1"
    closes: ClassVar[bool] = True

    @classmethod
    def parse(cls, value: str) -> Self:
        where, colon, number = value.rpartition(":")
        if colon and where != ANY:
            raise ValueError(f"before the margin only {ANY} can stand")
        try:
            margin = float(number)
        except ValueError:
            margin = math.nan
        if not 0.0 <= margin < math.inf:
            raise ValueError("it needs a margin in nats, 0 or more")
        return cls(margin, bool(colon))

    def rule(self, tokens: Tokens, temperature: float) -> Rule:
        ends = [self.anywhere or ends_sentence(text) for text in tokens.texts]
        # Logits may have more columns than the tokenizer has tokens, so ids are looked up with a bound.
        return _Braking(self.margin * temperature, np.array(ends, np.bool_), list(tokens.marks))


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with this token."""
    return text.rstrip(" ").endswith(ENDS)


@dataclass(frozen=True, slots=True)
class _Braking:
    most: float
    """Between two logits, before the temperature."""
    ends_V: NDArray[np.bool_]
    marks: list[int]

    def banned(self) -> NDArray[np.int64]:
        return NONE

    def stops(self, said: int, last_R: NDArray[np.int64], logits_RV: Any) -> NDArray[np.bool_]:
        at_end_R = (last_R >= 0) & (last_R < len(self.ends_V))
        at_end_R &= self.ends_V[np.where(at_end_R, last_R, 0)]
        if not at_end_R.any():
            return at_end_R
        # Where </think> itself is on top this is 0 rather than below: both are within every margin.
        margin_R = logits_RV.amax(-1) - logits_RV[:, self.marks].amax(-1)
        near_R: NDArray[np.bool_] = margin_R.cpu().numpy() <= self.most
        return at_end_R & near_R
