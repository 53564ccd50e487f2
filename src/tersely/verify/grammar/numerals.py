"""Whole numbers written in words: "four", "forty-two", "one hundred twenty", and places: "seventh"."""

from __future__ import annotations

from fractions import Fraction

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_ONES += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
VALUES = {word: n for n, word in enumerate(_ONES)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
_IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_IRREGULAR |= {"twelve": "twelfth"} | {tens: tens.removesuffix("y") + "ieth" for tens in _TENS}
PLACES = {_IRREGULAR.get(word, word + "th"): word for word in VALUES if word != "zero"}
"""The cardinal word of each ordinal one."""
_PARTS = {place: VALUES[word] for place, word in PLACES.items() if VALUES[word] > 2} | {"half": 2, "quarter": 4}
_SINGULAR = {"halves": "half"}


def number_word(label: str) -> int | None:
    """The number below 1,000 that a label in lower case names, its words separated by single spaces; else None."""
    head, hundred, tail = label.partition(" hundred")
    if hundred:
        rest = tail.removeprefix(" ").removeprefix("and ")
        over = _below_hundred(rest) if rest else 0
        return VALUES[head] * 100 + over if over is not None and 1 <= VALUES.get(head, 0) <= 9 else None
    return _below_hundred(label)


def ordinal_word(label: str) -> int | None:
    """The place below 1,000 that a label in lower case names ("twenty first"); else None."""
    head, _, last = label.rpartition(" ")
    return number_word(f"{head} {PLACES[last]}".strip()) if last in PLACES else None


def fraction_word(label: str) -> Fraction | None:
    """The fraction that a label in lower case names: "half", "one third", "two and three quarters"; else None."""
    whole, joined, part = label.rpartition(" and ")
    count, _, name = part.rpartition(" ")
    top = 1 if count in ("", "a", "one") else number_word(count)
    bottom = _PARTS.get(name) if top == 1 else _PARTS.get(_SINGULAR.get(name, name.removesuffix("s")))
    over = number_word(whole) if joined else 0
    if top is None or bottom is None or over is None or (not count and name != "half"):
        return None
    if top > 1 and name in _PARTS:  # "twenty third" is a place
        return None
    return over + Fraction(top, bottom)


def leading_number(label: str) -> tuple[int, str] | None:
    """("twenty one apples") -> (21, "apples"): the longest number in words and what follows; None without either."""
    parts = label.split(" ")
    for count in range(min(len(parts) - 1, 6), 0, -1):
        if (value := number_word(" ".join(parts[:count]))) is not None:
            return value, " ".join(parts[count:])
    return None


def _below_hundred(label: str) -> int | None:
    tens, _, ones = label.partition(" ")
    if not ones:
        return VALUES.get(tens)
    both = tens in _TENS and 1 <= VALUES.get(ones, 0) <= 9
    return VALUES[tens] + VALUES[ones] if both else None
