"""What may stand beside a number: units of measure, scale words, currency, times of day, nouns.

Rules. A unit on one side only is ignored ("5" and "5 cm" agree: the question names the unit). Units on both sides must
be the same after the spelling table below; nothing is converted ("5 m" is not "500 cm", "5 cm" not "5 km"). Scale
words multiply ("3 million"). Other words count as a noun ("12 apples") if there are at most three of them and none
changes the meaning ("5 or", "not 5", "5 more").
"""

from __future__ import annotations

import re
from functools import lru_cache

from tersely.verify.grammar.numerals import PLACES, VALUES

_SPELLINGS = """
mm millimeter millimetre|cm centimeter centimetre|dm decimeter|m meter metre|km kilometer kilometre|in inch
inche|ft foot feet|yd yard|mi mile|mg milligram|g gram gramme|kg kilogram kilo|lb pound lbs|oz ounce|ton
tonne|ml milliliter millilitre|l liter litre|gal gallon|qt quart|pt pint|cup|s sec second|min minute|h hr
hour|day|week|month|year yr|ms millisecond|deg degree|rad radian|dollar usd buck|cent|euro eur|pound_sterling
gbp|yen|rupee|mi/h mph|km/h kph kmh|unit|hz hertz|n newton|j joule|w watt|v volt|pa pascal|k kelvin|celsius
c|fahrenheit f|mol mole|acre|hectare|square sq|cubic cu|people person|point pt|byte|bit|percent pct|a.m am|p.m
pm|knot|nm nanometer|page|time|way|place|side|term|root|coin|student|amp ampere|ohm|micrometer
micrometre|angstrom å|kcal|cal calorie|tesla|farad
"""
_UNIT = {word: group.split()[0] for group in _SPELLINGS.split("|") for word in group.split()}
_SCALE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_SCALE |= {"lakh": 10**5, "crore": 10**7, "quadrillion": 10**15}
_MEANING = {
    "guess", "unknown", "unsure", "tens", "pair", "pairs", "halves", "thirds", "fourths", "quarters", "fifths", "tenth",
    "tenths", "hundredth", "hundredths", "thousandth", "thousandths", "hundreds", "millionths", "remainder", "out",
    "mean", "say", "think", "hope", "believe", "wait", "actually", "rather", "instead", "sixths", "eighths", "ninths",
    "or", "and", "not", "no", "non", "is", "are", "was", "isn't", "aren't", "than", "more", "less", "least",
    "most", "at", "about", "approximately", "approx", "roughly", "nearly", "almost", "around", "plus", "minus",
    "times", "over", "divided", "by", "squared", "cubed", "factorial", "half", "third", "quarter", "double",
    "twice", "negative", "mod", "modulo", "if", "when", "unless", "except", "wrong", "incorrect", "maybe",
    "perhaps", "possibly", "either", "neither", "both", "but", "between", "to", "through", "up", "down", "off",
    "base", "cannot", "never", "none", "false", "root", "sqrt", "square-root", "hence", "therefore", "so",
    "equals", "equal", "answer", "other", "another", "infinity", "infinite", "even", "odd", "greater", "fewer",
    "recurring", "repeating", "repeated", "score", "gross", "mille", "permille", "ppm", "factor",
    "pi", "infinitely", "inverse", "reciprocal", "opposite",
}  # fmt: skip
_MEANING |= set(VALUES) | {f"{place}s" for place in PLACES if place != "second"}
_LETTERS = frozenset("msglhtdwACFJKNVWTLH")
"""What one letter beside a number may stand for; the others name a variable, or a scale as M and B do."""
_WORDS = re.compile(r"[A-Za-zå][A-Za-z.'\-]*")
_ALLOWED = re.compile(r"[A-Za-zå.,'\-\s/*^{}()0-9²³]*")
_PREFIXED_OHM = re.compile(r"([kM])\s*\\Omega")
_SYMBOLS = {"\\Omega": "ohm", "\\mu ": "micro", "\\mu": "micro", "Å": "å"}


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[int, str] | None:
    """(factor, canonical unit) of the words beside a number, or None where they are no unit.

    ``text`` is free of commands: "cm^2", "square centimeters", "million dollars", "km/h". "" gives (1, "").
    """
    text = _PREFIXED_OHM.sub(lambda m: "kilohm" if m[1] == "k" else "megohm", text) if "Omega" in text else text
    for sign, spelled in _SYMBOLS.items():
        text = text.replace(sign, spelled)
    text = text.strip().strip(",").strip()
    if not text:
        return 1, ""
    if len(text) > 80 or not _ALLOWED.fullmatch(text):
        return None
    lowered = re.sub(r"(?<=[A-Za-z]{2})\.(?=\s|$)", "", text.lower()).replace("p.m.", "p.m").replace("a.m.", "a.m")
    lowered = _SQUARED.sub(_raised, lowered)
    words = _WORDS.findall(lowered)
    if not words or any(word in _MEANING for word in _but_linking(words)) or len(words) > 5:
        return None
    if any(letter not in _LETTERS for letter in re.findall(r"(?<![A-Za-z.])[A-Za-z](?![A-Za-z.])", text)):
        return None
    factor = 1
    while words and words[0].rstrip("s") in _SCALE:
        factor *= _SCALE[words.pop(0).rstrip("s")]
        lowered = lowered.split(None, 1)[1] if " " in lowered.strip() else ""
    return factor, _canonical(lowered, words)


_SQUARED = re.compile(r"\b([a-z]+) (squared|cubed)\b")


def _raised(match: re.Match[str]) -> str:
    """ "second squared" as "second^2", of a unit of the table only."""
    return f"{match[1]}^{2 if match[2] == 'squared' else 3}" if named(match[1]) in _UNIT.values() else match[0]


def _but_linking(words: list[str]) -> list[str]:
    """Without an "and" or "to" between two words: "boys and girls", "ways to choose" are nouns."""
    return [word for i, word in enumerate(words) if word not in ("and", "to") or i in (0, len(words) - 1)]


def _canonical(text: str, words: list[str]) -> str:
    text = re.sub(r"\b(square|sq|cubic|cu)\b\.?\s*([a-z]+)", _power, text)
    text = re.sub(r"\b(?:per)\b", "/", text)
    text = re.sub(r"\bof\b.*", "", text) if words and named(words[0]) in _UNIT.values() else text
    text = re.sub(r"[a-zå][a-zå.'\-]*", lambda m: named(m[0]), text)
    return _as_product(re.sub(r"[{}\s]+", " ", text))


_FACTOR = re.compile(r"\s*\*?\s*(/?)\s*([a-zå][a-zå.'\-]*)\s*(?:\^\s*(-?\d))?(?![\d.])")


def _as_product(text: str) -> str:
    """ "m/s^2" and "m s^-2" in one spelling, each unit with its power; what is no product without its spaces."""
    head, _, below = text.partition("/ (" if "/ (" in text else "/(")
    below = below.rstrip()
    if below.endswith(")") and "/" not in below:
        text = head + "".join(f"/{factor}" for factor in re.split(r"[*\s]+", below[:-1].strip()) if factor)
    powers: dict[str, int] = {}
    at = 0
    while match := _FACTOR.match(text, at):
        slash, word, power = match.groups()
        powers[word] = powers.get(word, 0) + int(power or 1) * (-1 if slash else 1)
        at = match.end()
    if at < len(text.rstrip()) or not powers:
        return re.sub(r"[\s()*]+", "", text)
    return "*".join(word if power == 1 else f"{word}^{power}" for word, power in sorted(powers.items()))


def _power(match: re.Match[str]) -> str:
    return f"{match[2]}^{2 if match[1].startswith('s') else 3}"


def named(word: str) -> str:
    """Canonical singular of one word."""
    for form in (word, word.removesuffix("."), word.removesuffix("s"), word.removesuffix("es")):
        if form in _UNIT:
            return _UNIT[form]
    return word.removesuffix("s") if len(word) > 3 else word


_PER = re.compile(r"\s*(?:h|s|min|hr|sec|l|m|day|hour|second|minute)\s*(?:\^\s*\{?\s*[23]\s*\}?)?")


def is_known(text: str) -> bool:
    """True where every word is a unit of the table of two letters or more ("km", not "m"), or "km/h", "m/s"."""
    head, slash, below = text.lower().strip().partition("/")
    if slash and _PER.fullmatch(below):
        return head.strip() == "m" or is_known(head)
    words = _WORDS.findall(text.lower())
    return bool(words) and all(
        len(word.rstrip("s")) > 1 and (named(word) in _UNIT.values() or word in _SCALE or word == "per")
        for word in words
    )
