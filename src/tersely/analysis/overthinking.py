"""What a response does once it has said the right answer, and whether it runs in circles. Linear in the text.

Both are read off the text: the place of the answer by rules of writing (``first_answer``), loops by words
(``loops``). Rules of writing can be wrong, so ``summarise_overthinking`` also says how often they would have found
the answer of *another* problem: where that is not rare, the place of the answer means little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tersely.analysis.clusters import judged
from tersely.analysis.intervals import Clusters, clustered_mean, clustered_rate
from tersely.analysis.records import Overthinking
from tersely.records import Estimate, EvalRecord
from tersely.verify.grammar import CACHED, clean, number

# ---- where the answer first stands

BEFORE = 24
"""Characters before a value among which the mark of a statement must end right at it."""
AFTER = 60
"""Characters after a value that are looked at for an operator or the end of the sentence."""

_OPENING = r"[\s*_`\"'(\[{$€£]*(?:\\[(\[]\s*|\\text(?:bf)?\{\(?\s*|\\\$\s*)?"
_CONCLUSION = re.compile(
    r"(?:\b(?:is|are|be|so|equals?|gives?|get|makes|totals?|answer|thus|therefore|hence)\b[:,]?|:|####|\\f?boxed\s*\{)"
    + _OPENING
    + r"\Z",
    re.IGNORECASE,
)
_RESULT = re.compile(r"(?:=|≈|\\approx)" + _OPENING + r"\Z")
_GOES_ON = re.compile(r"\s*[-+*/^×·÷]\s*[\d(\\$]|\s*\\(?:times|cdot|div|frac|sqrt|pm)(?![A-Za-z])|\s*[=<>]\s*\S")
_ENDS = re.compile(r"(?: [a-z%°]+){0,4}(?:\s*\\text\{[^{}]*\})?[ *_`)\]}%°]*(?:[.,;:!?\n$]|\\[)\]]|\Z)")
_ARTICLE = re.compile(r"\s+[a-z]")


def first_answer(text: str, gold: str, extracted: str | None = None) -> int | None:
    """Character just after the first place where ``gold`` is stated as a result, or None.

    A value is found in the judge's normal form: numbers however they are typed (1,234 and 1234; 0.5, 1/2 and
    \\frac{1}{2}; 3.0), a choice by its letter, anything else by its characters without white space. It is *stated*
    where "is", "so", "gives", "answer", a colon, "####" or a box leads up to it and no operator leads away from it,
    or where an equals sign leads up to it and its sentence, line or formula ends within four words. ``extracted`` is
    another spelling that the judge took for the same (of a correct response), searched for as well.
    """
    spellings = {gold} if extracted is None else {gold, extracted}
    places = [place for spelling in spellings if (place := _first(text, spelling)) is not None]
    return min(places, default=None)


def _first(text: str, value: str) -> int | None:
    pattern = _spelled(value)
    if pattern is None:
        return None
    letter = len(value) == 1 and value.isalpha()
    for match in pattern.finditer(text):
        before, after = text[max(0, match.start() - BEFORE) : match.start()], text[match.end() : match.end() + AFTER]
        if letter and value in "AI" and before[-1:].isspace() and _ARTICLE.match(after):
            continue  # "is a bank", "so I check" in capitals
        if _CONCLUSION.search(before) and not _GOES_ON.match(after):
            return match.end()
        if _RESULT.search(before) and _ENDS.match(after):
            return match.end()
    return None


@lru_cache(maxsize=4096)
def _spelled(value: str) -> re.Pattern[str] | None:
    """An expression for every spelling of a value that stands by itself; None where it is empty or very long."""
    plain = clean(value) if len(value) <= CACHED else ""
    if not plain:
        return None
    exact = number(plain)
    if exact is None:
        return re.compile(_edges("|".join(_literal(text) for text in dict.fromkeys((plain, value.strip())))))
    sign = r"[-−]\s*" if exact < 0 else r"(?<![-−])"
    top, bottom = abs(exact.numerator), exact.denominator
    forms = [_digits(top) + r"(?:\.0+)?"] if bottom == 1 else [_fraction(top, bottom)]
    forms += [_decimal(decimal)] if bottom > 1 and (decimal := _terminating(top, bottom)) else []
    return re.compile(sign + rf"(?<![\w.])(?<!\d,)(?:{'|'.join(forms)})(?![\w^]|[.,]\d)")


def _digits(value: int) -> str:
    """An integer with or without separators between groups of three digits."""
    groups = f"{value:,}".split(",")
    return r"(?:,|\{,\}|\\,|\\!)*".join(groups)


def _fraction(top: int, bottom: int) -> str:
    braced = rf"\\[dt]?frac\s*\{{\s*{top}\s*\}}\s*\{{\s*{bottom}\s*\}}"
    short = rf"|\\[dt]?frac\s*{top}\s*{bottom}" if top < 10 and bottom < 10 else ""
    return rf"(?:{braced}{short}|{_digits(top)}\s*/\s*{_digits(bottom)})"


def _terminating(top: int, bottom: int) -> str | None:
    """``top/bottom`` as a decimal of at most nine places, or None."""
    places = next((n for n in range(1, 10) if 10**n % bottom == 0), None)
    if places is None:
        return None
    whole = top * 10**places // bottom
    return f"{whole // 10**places}.{whole % 10**places:0{places}d}"


def _decimal(text: str) -> str:
    whole, _, part = text.partition(".")
    return (r"0?" if whole == "0" else _digits(int(whole))) + rf"\.{part}0*"


def _literal(text: str) -> str:
    """The characters with white space, ``\\left`` and the like allowed between them, braces or none."""
    text = re.sub(r"\\(?:left|right)(?![A-Za-z])|(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])", "", text)
    if wrapped := re.fullmatch(r"\\text\{([^{}]*)\}", text):
        text = wrapped[1]
    tokens = re.findall(r"\\[A-Za-z]+|.", text, re.DOTALL)
    parts = [_LOOSE.get(token) or re.escape(token) for token in tokens]
    return r"(?:\s|\\left|\\right|\\[,!;]){0,4}".join(parts)  # bounded, so that a run of blanks costs no square


_LOOSE = {r"\frac": r"\\[dt]?frac", r"\dfrac": r"\\[dt]?frac", " ": r"\s", "{": r"\{?", "}": r"\}?"}


def _edges(pattern: str) -> str:
    return rf"(?<![\w\\])(?:\\left\s?)?(?:{pattern})(?!\w)"


# ---- loops

TIMES = 4
"""How often a block must stand in a row."""
WORDS = 24
"""How many words the repetition must cover."""
LONGEST = 200
"""Longest block in words, except at the very end of a response, where any length counts."""
LONG_WORD = 64
"""Characters; what is longer (formulas, scripts without spaces) is taken character by character."""
_SEEN = 4


def loops(text: str) -> bool:
    """Whether a block of words stands at least TIMES times in a row and covers at least WORDS words.

    Anywhere: blocks of 1 to LONGEST words, the last repetition whole. At the end: blocks of any length, the last
    repetition possibly cut short. Words are what stands between white space; a block without a letter or digit (rules
    of tables) does not count. Time: at most LONGEST passes over the words, and none where no stretch of words occurs
    twice.
    """
    words = [part for word in text.split() for part in ([word] if len(word) <= LONG_WORD else word)]
    if len(words) < WORDS or not _may_loop(words):
        return False
    ids: dict[str, int] = {}
    codes_T = np.array([ids.setdefault(word, len(ids)) for word in words])
    return _tail_loops(words) or any(
        _periodic(words, codes_T, period) for period in range(1, min(LONGEST, len(words) // TIMES) + 1)
    )


def _may_loop(words: Sequence[str]) -> bool:
    """False where no stretch is long enough in which every four words have stood before: then there is no loop."""
    # In a loop of L >= WORDS words and period p <= L/TIMES everything from the second block on has been seen.
    needed = WORDS - WORDS // TIMES - _SEEN
    seen: set[tuple[str, ...]] = set()
    run = 0
    for gram in zip(words, words[1:], words[2:], words[3:], strict=False):
        run = run + 1 if gram in seen else 0
        if run >= needed:
            return True
        seen.add(gram)
    return False


def _periodic(words: Sequence[str], codes_T: NDArray[np.int64], period: int) -> bool:
    """Whether words equal those ``period`` before for long enough."""
    same_T = codes_T[period:] == codes_T[:-period]
    needed = max((TIMES - 1) * period, WORDS - period)
    if np.count_nonzero(same_T) < needed:
        return False
    differs = np.flatnonzero(~same_T)
    ends = np.concatenate(([-1], differs, [len(codes_T) - period]))
    runs = np.diff(ends) - 1
    longest = int(runs.argmax())
    if runs[longest] < needed:
        return False
    start = int(ends[longest]) + 1
    return _says_something(words[start : start + period])


def _tail_loops(words: Sequence[str]) -> bool:
    """Whether some suffix is periodic, by the prefix function (Knuth, Morris and Pratt 1977) of the reversed words."""
    back = list(reversed(words[:-1]))  # the last word may be cut
    border = [0] * len(back)
    for i in range(1, len(back)):
        size = border[i - 1]
        while size and back[i] != back[size]:
            size = border[size - 1]
        border[i] = size + (back[i] == back[size])
        length = i + 1
        period = length - border[i]
        if length >= WORDS and length >= TIMES * period and _says_something(back[:period]):
            return True
    return False


def _says_something(block: Sequence[str]) -> bool:
    return any(character.isalnum() for word in block for character in word)


# ---- over an evaluation


@dataclass(frozen=True, slots=True)
class Reading:
    """What the text of one response shows."""

    share_after: float
    """Share of its characters after the first statement of its answer, in [0, 1]; 0 where that is found nowhere."""
    stated: bool
    """The gold is stated somewhere (of a response that is judged and wrong; else False)."""
    by_chance: bool | None
    """Another problem's gold is stated somewhere (of a correct response; None where there is no other gold)."""
    loops: bool


Readings = Mapping[tuple[str, int], Reading]
"""(problem, sample) -> reading."""


def read_texts(records: Sequence[EvalRecord]) -> dict[tuple[str, int], Reading]:
    """Every response read once; the other problem is the next one with a different gold, in the order given."""
    golds = list(dict.fromkeys(record.answer for record in records))
    others = dict(zip(golds, [*golds[1:], *golds[:1]], strict=True))
    return {(record.problem_id, record.sample): _read(record, others[record.answer]) for record in records}


def _read(record: EvalRecord, other: str) -> Reading:
    share, stated, by_chance = 0.0, False, None
    if record.correct:
        place = first_answer(record.text, record.answer, record.extracted)
        share = 1.0 - place / len(record.text) if place else 0.0
        by_chance = first_answer(record.text, other) is not None if other != record.answer else None
    elif judged(record):
        stated = first_answer(record.text, record.answer) is not None
    return Reading(share, stated, by_chance, loops(record.text))


def summarise_overthinking(records: Sequence[EvalRecord], readings: Readings) -> Overthinking:
    """One block of a summary.

    - ``tokens_after_answer``: over correct responses, tokens after the first statement of the answer, as the share of
      the characters after it times the response's tokens (no token offsets are kept);
    - ``share_after_answer``: the same as a share of the response;
    - ``stated_but_wrong``: share of the judged and wrong responses that state the gold somewhere all the same;
    - ``stated_by_chance``: share of the correct responses that state the gold of another problem: what the rules of
      writing find by accident;
    - ``loops``: share of all responses that run in circles.

    None where there are no such responses. A correct response whose answer is found nowhere has nothing after it.
    """
    pairs = [(record, readings[record.problem_id, record.sample]) for record in records]
    right = [pair for pair in pairs if pair[0].correct]
    wrong = [pair for pair in pairs if not pair[0].correct and judged(pair[0])]
    others = [(r, reading.by_chance) for r, reading in right if reading.by_chance is not None]
    return Overthinking(
        tokens_after_answer=_mean([(r, reading.share_after * r.tokens) for r, reading in right], clustered_mean),
        share_after_answer=_mean([(r, reading.share_after) for r, reading in right], clustered_rate),
        stated_but_wrong=_mean([(r, reading.stated) for r, reading in wrong], clustered_rate),
        stated_by_chance=_mean(others, clustered_rate),
        loops=_mean([(r, reading.loops) for r, reading in pairs], clustered_rate),
    )


def _mean(pairs: Sequence[tuple[EvalRecord, float]], estimate: Callable[[Clusters], Estimate]) -> Estimate | None:
    clusters: dict[str, list[float]] = {}
    for record, value in pairs:
        clusters.setdefault(record.problem_id, []).append(float(value))
    return estimate(clusters) if clusters else None
