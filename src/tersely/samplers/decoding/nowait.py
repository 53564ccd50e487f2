"""``nowait``: words that begin another look at the same thing are never said.

    logit(v) = -inf   for every token v that is one of the words, whatever its case and the blanks and marks around it

In the manner of NoWait (Wang et al. 2025, arXiv:2506.08343), with the words of its section 3.1; ``nowait:Wait,Hmm``
bans others. There every token that contains a word is banned ("wait" in " Wait", ".wait", "WAIT"), and what makes no
sense is dropped by hand ("Ohio" for "oh"; the rest of that list is not published). Here a token is banned where it is
the word, which needs no list: "know", "many" and "other" stay apart. A word that the tokenizer spells with several
tokens is not banned, because its parts are parts of other words too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tersely.errors import UserError
from tersely.samplers.decoding.base import Rule, Tokens

WORDS = (
    "wait", "alternatively", "hmm", "but", "however", "alternative", "another", "check", "double-check", "oh", "maybe",
    "verify", "other", "again", "now", "ah", "any",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoWait:
    """Words that are never said, in lower case."""

    words: tuple[str, ...] = WORDS

    example: ClassVar[str] = "nowait"
    closes: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: str) -> Self:
        if not value:
            return cls()
        words = tuple(_bare(word) for word in value.split(","))
        if not all(words):
            raise ValueError("words are separated by commas, and each needs a letter")
        return cls(words)

    def rule(self, tokens: Tokens, temperature: float) -> Rule:
        ids = [i for i, text in enumerate(tokens.texts) if not _is_mark(text) and _bare(text) in self.words]
        if not ids:
            raise UserError(
                f"none of the words that nowait bans ({', '.join(self.words[:4])} ...) is a token of this model, so "
                "nothing would change: name words of its own, --decoding nowait:WORD,WORD"
            )
        return _Banning(np.array(ids, np.int64))


def _is_mark(text: str) -> bool:
    """A control token, or a mark such as ``</think>``, is no word whatever stands in it."""
    return text.strip().startswith("<") and text.strip().endswith(">")


def _bare(text: str) -> str:
    """In lower case, without what is no letter at both ends."""
    places = [place for place, character in enumerate(text) if character.isalpha()]
    return text[places[0] : places[-1] + 1].casefold() if places else ""


@dataclass(frozen=True, slots=True)
class _Banning:
    ids: NDArray[np.int64]

    def banned(self) -> NDArray[np.int64]:
        return self.ids

    def stops(self, said: int, last_R: NDArray[np.int64], logits_RV: Any) -> NDArray[np.bool_]:
        return np.zeros(len(last_R), np.bool_)
