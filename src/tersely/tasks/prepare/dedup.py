"""When two problems are the same: normalised texts, and the 13-grams they share.

Normalised: NFKC, lower case, LaTeX spacing and font commands dropped. ``exact`` then keeps words, numbers, and the
signs and brackets that change what is asked: duplicates are equal in it. ``words`` keeps words and numbers alone and
leaves out drawings (Asymptote) and what is said of the form of the answer ("where m and n are relatively prime
positive integers. Find m + n."), which hundreds of contest problems share: that is what is compared with evaluation
problems. Two overlap by

* the same sequence of words; or
* a shared 13-gram that is not common, common meaning that it stands in more than 10 different problems of all that
  were read (as in the GPT-3 report: templates are no overlap); or
* shared 13-grams, common ones too, that cover half of the shorter text; or
* an evaluation text of 8 to 12 words, too short for a 13-gram, that stands whole in the other text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Tokens = tuple[str, ...]

GRAM = 13
COMMON = 10
COVER = 0.5
SHORT = 8
NEAR = 0.8
"""Cover from which two kept problems are reported as near-duplicates of one another."""

_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_SILENT = re.compile(
    r"\\(?:left|right|big|Big|bigg|Bigg|displaystyle|textstyle|text|textbf|textit|textrm|mathrm|mathbf|quad|qquad|begin"
    r"|end)(?![a-zA-Z])|\\[,;:! ]"
)
_FRAC = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ANSWER_FORM = re.compile(
    r"\bwhere\b[^.]{0,80}\b(?:integers?|prime)\b[^.]{0,140}[.,]\s*(?:find|compute|determine|what\s+is)\b[^.?]{0,60}[.?]?\s*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_EXACT = re.compile(r"[^\W\d_]+|\d+|[-+*/=<>^!%|'()\[\]]")


def exact(text: str) -> Tokens:
    """The normalised text with signs, brackets and drawings."""
    return tuple(_EXACT.findall(_plain(text)))


def words(text: str) -> Tokens:
    """The words and numbers of the normalised text, without drawings and what is said of the answer's form."""
    return tuple(_WORD.findall(_plain(_ANSWER_FORM.sub(" ", _DRAWING.sub(" ", text).strip()))))


def _plain(text: str) -> str:
    text = _FRAC.sub(r"\\frac", _SILENT.sub(" ", text.replace("\\!", "")))
    return unicodedata.normalize("NFKC", _THOUSANDS.sub("", text)).casefold()


def grams(text: Tokens, n: int = GRAM) -> list[Tokens]:
    """Every run of ``n`` tokens, by place."""
    return [text[i : i + n] for i in range(len(text) - n + 1)]


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text shares with an evaluation problem. Example: ``Overlap(3, "13-gram", 0.62)``."""

    index: int
    """Which of the evaluation texts."""
    rule: str
    """"equal", "13-gram", "cover" or "short text"."""
    cover: float
    """Share of the shorter text's words that lie in shared 13-grams (or in the short text)."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """13-grams that a text shares with one evaluation text: their places in the text."""

    index: int
    places: tuple[int, ...]
    cover: float


class EvaluationIndex:
    """Looks texts up among evaluation texts. ``count`` all texts first, then ask for each: both are linear.

    ``ngrams`` False compares by equal words alone.
    """

    def __init__(self, texts: Sequence[str], *, ngrams: bool = True) -> None:
        self.texts = [words(text) for text in texts]
        self._equal: dict[Tokens, int] = {}
        self._grams: dict[Tokens, list[int]] = defaultdict(list)
        self._short: dict[int, dict[Tokens, int]] = defaultdict(dict)
        self._seen: Counter[Tokens] = Counter()
        for index, text in enumerate(self.texts):
            if text in self._equal:
                continue
            self._equal[text] = index
            if not ngrams:
                continue
            for gram in set(grams(text)):
                self._grams[gram].append(index)
                self._seen[gram] += 1
            if SHORT <= len(text) < GRAM:
                self._short[len(text)][text] = index

    def count(self, texts: Iterable[Tokens]) -> None:
        """Count in how many different texts each 13-gram of the evaluation texts stands."""
        for text in set(texts):
            if text not in self._equal:
                self._seen.update({gram for gram in grams(text) if gram in self._grams})

    def find(self, text: Tokens) -> Overlap | None:
        """The closest overlap of a text (its ``words``) with an evaluation text, or None."""
        if (equal := self._equal.get(text)) is not None:
            return Overlap(equal, "equal", 1.0)
        found = [overlap for shared in self._shared(text) if (overlap := self._judge(text, shared))]
        found += self._find_short(text)
        return max(found, key=lambda overlap: (overlap.cover, -overlap.index), default=None)

    def _shared(self, text: Tokens) -> list[_Shared]:
        places: dict[int, list[int]] = defaultdict(list)
        for place, gram in enumerate(grams(text)):
            for index in self._grams.get(gram, ()):
                places[index].append(place)
        return [
            _Shared(index, tuple(at), covered(at) / min(len(text), len(self.texts[index])))
            for index, at in places.items()
        ]

    def _judge(self, text: Tokens, shared: _Shared) -> Overlap | None:
        rarest = min(self._seen[text[place : place + GRAM]] for place in shared.places)
        if rarest <= COMMON:
            return Overlap(shared.index, "13-gram", min(1.0, shared.cover))
        return Overlap(shared.index, "cover", min(1.0, shared.cover)) if shared.cover >= COVER else None

    def _find_short(self, text: Tokens) -> list[Overlap]:
        return [
            Overlap(whole[gram], "short text", 1.0)
            for length, whole in self._short.items()
            for gram in grams(text, length)
            if gram in whole
        ]


def covered(places: Sequence[int]) -> int:
    """How many tokens lie in the 13-grams that start at ``places`` (ascending)."""
    total, end = 0, 0
    for place in places:
        total += place + GRAM - max(place, end)
        end = place + GRAM
    return total


def near_duplicates(texts: Sequence[Tokens]) -> list[tuple[int, int, float]]:
    """Pairs (i, j, cover) with i < j whose shared 13-grams cover ``NEAR`` of the shorter, closest first.

    13-grams of more than ``COMMON`` texts find no pairs (they would find all pairs of a template) but count towards
    the cover of the pairs that others find.
    """
    where: dict[Tokens, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        for gram in set(grams(text)):
            where[gram].append(index)
    pairs = {(i, j) for found in where.values() if 1 < len(found) <= COMMON for i in found for j in found if i < j}
    scored = [(i, j, _cover(texts[i], texts[j])) for i, j in sorted(pairs)]
    return sorted((pair for pair in scored if pair[2] >= NEAR), key=lambda pair: (-pair[2], pair[0], pair[1]))


def _cover(a: Tokens, b: Tokens) -> float:
    short, long = sorted((a, b), key=len)
    known = set(grams(long))
    return covered([place for place, gram in enumerate(grams(short)) if gram in known]) / len(short)
