"""Notations beside the plain forms: side conditions, congruences, sets of reals, systems, approximations.

Each reader takes a cleaned text and gives what it says in the plain forms, or None where it is not of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from tersely.verify.grammar import units
from tersely.verify.grammar.brackets import split
from tersely.verify.grammar.normalise import clean, key
from tersely.verify.grammar.numerals import number_word
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.tokens import Node, Refused, Undefined, Unparsed
from tersely.verify.grammar.values import exact

Read = Callable[[str], Form]

_INEQUALITY = re.compile(r"\\(?:le|ge|ne|in)(?![A-Za-z])|[<>]")
_CONDITION = re.compile(
    r"^(?P<value>.*[^\s,;])\s*(?:[,;]|\s|(?=\())\s*"
    r"(?P<open>\(?)\s*"
    r"(?P<condition>(?P<name>\\?[A-Za-z]+)(?:_\w)?(?:\s*\^\s*\d)?\s*"
    r"(?:\\(?:le|ge|in)(?![A-Za-z])[^,;=()]+|[<>][^,;=()]+|\\ne(?![A-Za-z])[^;=()]+))(?P<close>\)?)$",
    re.DOTALL,
)
"""``3n-1 (n \\ge 1)``, ``\\frac{1}{x}, x \\ne 0``, ``2k\\pi, k \\in \\mathbb{Z}``."""


_INTRODUCED = re.compile(r"[\s,;]*\\text\{\s*,?\s*(?:for|for all|for every|for any|where|with|if|when|provided)\s*\}$")


def without_condition(text: str) -> tuple[str, str] | None:
    """(value, condition) where a condition on a variable of the value follows it."""
    match = _CONDITION.match(text) if _INEQUALITY.search(text) else None
    if match is None or bool(match["open"]) != bool(match["close"]) or _INEQUALITY.search(match["value"]):
        return None
    value = _INTRODUCED.sub("", match["value"])
    if any(value.count(left) != value.count(right) for left, right in ("()", "[]", "{}")):
        return None
    if not re.search(rf"(?<![A-Za-z\\]){re.escape(match['name'])}(?![A-Za-z])", value) and not (
        len(match["name"]) == 1 and re.search(rf"\d{match['name']}", value)
    ):
        return None
    return value, key(match["condition"])


_CONGRUENT = re.compile(
    r"^(.+?)\s*\\equiv(?![A-Za-z])\s*(.+?)\s*\(?\s*(?:\\[pb]?mod(?![A-Za-z])|\\text\{\s*mod\s*\}|mod)\s*"
    r"\{?\s*(\d+|[a-z])\s*\}?\s*\)?$"
)


def congruence(text: str, read: Read) -> Form | None:
    """``x \\equiv 3 \\pmod{5}``: both sides, the modulus as label."""
    match = _CONGRUENT.match(text) if "\\equiv" in text else None
    if match is None:
        return None
    if not match[3].strip("0"):
        raise Undefined("a residue for a modulus of 0")
    return Form(Shape.CONGRUENCE, items=(read(match[1]), read(match[2])), label=match[3])


_BOUND: Node = ("const", "inf")
_RAYS = {"^+": "()", "^{+}": "()", "_+": "()", "_{+}": "()", "_{>0}": "()", "_{\\ge0}": "[)", "_{\\ge 0}": "[)"}
_EXCEPT = re.compile(r"^\\mathbb\{R\}\s*(?:\\setminus|\\backslash|-)\s*\\\{(.*)\\\}$")
_EXCEPT_WORDS = re.compile(
    r"^(?:\\text\{\s*)?all real(?:s| numbers?)?,?\s*(?:except|other than|but)(?: for)?\s*\}?\s*([^{}]+?)\s*\}?$",
    re.IGNORECASE,
)


def real_set(text: str, read: Read) -> Form | None:
    """``\\mathbb{R}\\setminus\\{4\\}``, "all real numbers except 4" and ``\\mathbb{R}^+`` as intervals."""
    if "mathbb" not in text and "eal" not in text:
        return None
    if label := _RAYS.get(text.removeprefix("\\mathbb{R}").strip()) if text.startswith("\\mathbb{R}") else None:
        return _interval(("num", Fraction(0)), _BOUND, label)
    if text.replace(" ", "") in ("\\mathbb{R}^-", "\\mathbb{R}^{-}", "\\mathbb{R}_{<0}"):
        return _interval(("neg", _BOUND), ("num", Fraction(0)), "()")
    match = _EXCEPT.match(text) or _EXCEPT_WORDS.match(text)
    return _without([read(piece) for piece in re.split(r",|\band\b", match[1])]) if match else None


def _without(missing: list[Form]) -> Form:
    """The reals but for some rational numbers."""
    values = [exact(form.node) if form.node is not None else None for form in missing]
    if None in values:
        raise Unparsed("a set of reals without numbers that have no order here")
    places: list[Node] = [("num", value) for value in sorted({value for value in values if value is not None})]
    ends = [("neg", _BOUND), *places, _BOUND]
    return Form(Shape.UNION, items=tuple(_interval(a, b, "()") for a, b in pairwise(ends)))


def _interval(low: Node, high: Node, label: str) -> Form:
    return Form(Shape.TUPLE, items=(Form(Shape.SCALAR, low), Form(Shape.SCALAR, high)), label=label)


_CASES = re.compile(r"\\begin\{cases\}(.*)\\end\{cases\}", re.DOTALL)


def system(text: str, read: Read) -> Form | None:
    """``cases``: a system of equations is their list, a function by cases the table of its rows."""
    match = _CASES.fullmatch(text) if text.startswith("\\begin{cases}") else None
    if match is None:
        return None
    rows = [row.strip().rstrip(",;").strip() for row in re.split(r"\\\\", match[1]) if row.strip()]
    if len(rows) < 2:
        raise Unparsed("a system of one row")
    if len(rows) > 12:
        raise Refused("a larger system than any final answer")
    if not any("&" in row for row in rows):
        return read(",".join(rows))
    cells = [[_cell(cell, read) for cell in row.split("&")] for row in rows]
    return Form(Shape.MATRIX, items=tuple(Form(Shape.TUPLE, items=tuple(row)) for row in cells), label="cases")


def _cell(text: str, read: Read) -> Form:
    try:
        return read(clean(text))
    except (Unparsed, Refused):
        return Form(Shape.TEXT, label=key(text))


_MEASURES = re.compile(r"\s*\d+(?:\.\d+)?\s*[A-Za-z]+(?:,?\s*\d+(?:\.\d+)?\s*[A-Za-z]+)+\s*")
_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_COMPOUND = {
    "year",
    "month",
    "week",
    "day",
    "h",
    "hr",
    "hour",
    "min",
    "s",
    "foot",
    "ft",
    "inch",
    "in",
    "yard",
    "lb",
    "oz",
}
_COMPOUND |= {"km", "m", "cm", "kg", "g", "dollar", "cent", "deg"}


def measures(text: str) -> Form | None:
    """ "2 hours and 30 minutes" as the words "2 hour 30 min"; nothing is converted."""
    if not text[:1].isdecimal() or text[-1:].isdecimal():
        return None
    plain = re.sub(r"\band\b|\\text\{|[{}]", " ", text)
    if "\\" in plain or not _MEASURES.fullmatch(plain):
        return None
    parts = [(number, units.named(word)) for number, word in _MEASURE.findall(plain)]
    if not all(unit in _COMPOUND for _, unit in parts) or len({unit for _, unit in parts}) < len(parts):
        return None
    return Form(Shape.TEXT, label=" ".join(f"{number} {unit}" for number, unit in parts))


_AMOUNT = re.compile(
    r"([A-Za-z\d-]+(?: [A-Za-z-]+){0,4}) dollars?,? (?:and )?(\d\d?|[A-Za-z]+(?:[ -][A-Za-z]+)?) cents?"
)


def amount(text: str) -> Form | None:
    """ "two dollars and 50 cents" as 2.50 dollars."""
    match = _AMOUNT.fullmatch(_unwrapped(text)) if "dollar" in text and "cent" in text else None
    if match is None:
        return None
    dollars, cents = (_whole(group) for group in match.groups())
    if dollars is None or cents is None or cents > 99:
        return None
    return Form(Shape.SCALAR, ("num", dollars + Fraction(cents, 100)), unit="dollar")


def _unwrapped(text: str) -> str:
    """Words out of their ``\\text{...}``, single spaces between them."""
    return " ".join(re.sub(r"\\text\{|[{}]", " ", text).split())


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else number_word(text.lower().replace("-", " "))


_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october"]
_MONTHS += ["november", "december"]
_SHORT_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec"
_NAMES_MONTH = re.compile(_SHORT_MONTHS, re.IGNORECASE)
_MONTH = rf"((?i:{'|'.join(_MONTHS)}|{_SHORT_MONTHS}))\.?"
_DAY = r"(?:the )?(\d{1,2})(?:st|nd|rd|th)?"
_DATE = re.compile(rf"(?:{_MONTH} {_DAY}|{_DAY}(?: of)? {_MONTH})(?:,? (?:of )?(\d{{4}}))?")


def date(text: str) -> Form | None:
    """ "15 March", "March 15th, 2023" as the words "march 15 2023"; as a number it is the day."""
    match = _DATE.fullmatch(_unwrapped(text)) if len(text) < 60 and _NAMES_MONTH.search(text) else None
    if match is None:
        return None
    month, day = match[1] or match[4], match[2] or match[3]
    named = next(name for name in _MONTHS if name.startswith(month.lower()[:3]))
    return Form(Shape.TEXT, ("num", Fraction(day)), label=f"{named} {int(day)} {match[5] or ''}".strip())


_VERDICT = re.compile(r"(yes|no|true|false)\s*[,.;:-]\s*([A-Za-z][^{}]*)", re.IGNORECASE | re.DOTALL)
_OTHER_VERDICT = re.compile(
    r"\b(?:yes|no|true|false|maybe|perhaps|but|unless|except|sometimes|wait|unsure|sure|or|if)\b", re.IGNORECASE
)


def verdict(text: str) -> Form | None:
    """ "No, such integers do not exist" as the word "no": a verdict and its reason, which names no other verdict."""
    match = _VERDICT.fullmatch(text) if text[:1] in "yYnNtTfF" else None
    if match is None or " " not in match[2] or _OTHER_VERDICT.search(match[2]):
        return None
    return Form(Shape.TEXT, label=match[1].casefold())


_ABOUT = r"(?:or\s+)?(?:about|approximately|approx\.?|roughly)"
_APPROXIMATE = re.compile(
    rf"^(.+?)\s*\(?\s*\\text\{{\s*[(,]?\s*{_ABOUT}\s*(?:\}}\s*(-?[\d.]+)\s*|\s(-?[\d.]+)\s*\)?\s*\}}\s*)\)?$"
)


_IN_PARENTHESES = re.compile(r"\s*\(\s*(\\approx(?![A-Za-z])[^()]*)\)(?=\s*(?:\\text\{[^{}]*\})?$)")
"""``5\\sqrt{2} (\\approx 7.07)``."""


def with_approximation(text: str) -> str:
    """ "... (about 6.83)" with the sign for it: ``... \\approx 6.83``."""
    if "\\approx" in text and ")" in text:
        text = _IN_PARENTHESES.sub(r" \1", text)
    match = _APPROXIMATE.match(text) if "\\text" in text else None
    return f"{match[1]} \\approx {match[2] or match[3]}" if match else text


_CHOICES = re.compile(r"C\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")


def combinations(text: str) -> Form | None:
    """``C(9,4)``, where there are so many to choose from."""
    match = _CHOICES.fullmatch(text) if text[:1] == "C" else None
    if match is None or int(match[1]) < int(match[2]):
        return None
    n, k = (Fraction(int(group)) for group in match.groups())
    return Form(Shape.SCALAR, ("binom", ("num", n), ("num", k)))


def groups(text: str, separators: re.Pattern[str]) -> list[str] | None:
    """The pieces of ``a=1,b=4; a=2,b=3``: lists of named values between semicolons or "or"; None for others."""
    pieces, found = split(text, separators)
    if not found or any(piece.count("=") < 2 or not split(piece, ",")[1] for piece in pieces):
        return None
    return pieces
