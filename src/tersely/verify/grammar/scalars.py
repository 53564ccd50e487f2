"""One scalar answer: a number or formula with what stands beside it, or the words of a text answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from tersely.verify.grammar import units
from tersely.verify.grammar.expr import parse
from tersely.verify.grammar.normalise import DOLLAR, clean, number
from tersely.verify.grammar.numerals import PLACES, leading_number
from tersely.verify.grammar.tokens import Node, Refused, Unparsed


class Shape(StrEnum):
    SCALAR = "scalar"
    LIST = "list"
    TUPLE = "tuple"
    SET = "set"
    UNION = "union"
    RELATION = "relation"
    MATRIX = "matrix"
    RATIO = "ratio"
    BASED = "based"
    CONGRUENCE = "congruence"
    TEXT = "text"


UNORDERED = "unordered"
"""Label of a LIST that has no order for certain: one with a plus-minus in it."""
ANY_OF = "or"
"""Label of a LIST joined by "or"."""
ALL_OF = "and"
"""Label of a LIST joined by "and": of inequalities that is no union."""


@dataclass(frozen=True, slots=True)
class Form:
    """An answer read. Example: ``Form(Shape.SCALAR, node=("num", Fraction(5)), unit="cm")``."""

    shape: Shape
    node: Node | None = None
    """Tree of a SCALAR."""
    items: tuple[Form, ...] = ()
    """Members of a LIST, TUPLE, SET, UNION, RATIO; sides of a RELATION; rows of a MATRIX."""
    label: str = ""
    """Delimiters of a TUPLE ("[)"), operators of a RELATION joined by spaces, base of BASED, words of TEXT."""
    unit: str = ""
    percent: bool = False
    condition: str = ""
    """What is said beside the value about a variable of it: "n\\ge1"."""
    digits: int | None = None
    """Significant digits where the answer was typed as a decimal number; None otherwise."""


_PIECE = r"(?:\\mu ?)?\\text\{[^{}]*\}\s*(?:\^\s*\{?\s*-?\d\s*\}?)?"
_BARE = r"[A-Za-z]{1,3}\s*\^\s*(?:\{\s*-\d\s*\}|-\d)"
_TAIL_TEXT = re.compile(
    rf"^(.*?[^\s\\*/])\s*({_PIECE}(?:\s*[*/]?\s*(?:{_PIECE}|{_BARE}))*"
    rf"(?:\s*/\s*\(\s*{_PIECE}(?:\s*\*?\s*{_PIECE})*\s*\))?)\s*\.?$",
    re.DOTALL,
)
"""A value and the pieces of its unit: ``5 \\text{ kg} * \\text{m} / \\text{s}^{2}``."""
_OHM = re.compile(r"^(.*?[\d})])\s*((?:[kM]\s*|\\text\{\s*[kM]\s*\}\s*)?\\Omega|Å)$")
_LAST_OF_OHM = ("\\Omega", "Å")
_LETTER_BEHIND = re.compile(r"[\d})\s][A-Za-z]")
"""What every unit typed without ``\\text`` has."""
_ORDINAL_NUMBER = re.compile(
    r"^(\d[\d,]*)\s*(?:\^\s*\{?\s*)?(?:\\text\{\s*)?(st|nd|rd|th)\s*\}?\s*\}?(?:(?![A-Za-z])\s*(\S.*))?$"
)
"""``7^{\\text{th}}``, ``21st``, with a noun behind it or none."""
_TAIL_WORDS = re.compile(r"^([^A-Za-z\\]*\d|.*(?:[}\d)]|\\pi))\s+([A-Za-z][A-Za-z ./]*(?:\^\{?\d\}?)?)$")
_GLUED = re.compile(r"^([-+]?[\d.,]*\d)((?:[cmk]m|[mk]g|ml|mins?|hrs?|secs?|mph|kph|kmh|km/hr?|m/s)(?:\^\{?[23]\}?)?)$")
"""``5cm``, ``60km/h``: units that are written without a space and that nobody means as a product of variables."""
_TEMPERATURE = re.compile(r"\\deg\s*(?:\\text\{)?\s*([CF])\s*\}?$")
_COUNTED = re.compile(r"^([-+]?\d[\d.]*(?:\s*/\s*\d+)?)\s+([A-Za-z]{3,}(?: [A-Za-z]{2,}){0,2})$")
_CURRENCY = re.compile(r"^([-+]?)\s*(?:\\text\{)?\s*([\ue000£€¥₹])\s*\}?(?=[\d.\\({-])")
_CURRENCY_NAMES = {DOLLAR: "dollar", "£": "gbp", "€": "euro", "¥": "yen", "₹": "rupee"}
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_MONEY_SCALE = re.compile(r"^(.*\d)\s*(?:\\text\{\s*)?([KkMmBb])\s*\}?$")
_MONEY = {"K": 10**3, "M": 10**6, "B": 10**9}
"""Scale letters behind an amount of money; beside a plain number they are no unit."""
_DECIMAL = re.compile(r"[-+]?(\d*\.\d+)(?:\s*\*\s*10\s*\^\s*(?:\{\s*-?\d+\s*\}|\d)|[eE][-+]?\d+)?")


def significant(text: str) -> int | None:
    """Significant digits of a number typed as a decimal; None for anything else."""
    match = _DECIMAL.fullmatch(text)
    return len(match.group(1).replace(".", "").lstrip("0")) if match else None


# Every repetition starts with its own sign: no text can make this backtrack.
_WORD = r"[A-Za-z]+(?:['’.][A-Za-z]*)*(?:(?<=[A-Za-z]{2})-[A-Za-z]{2,})*"
PLAIN_WORDS = re.compile(rf"{_WORD}(?:[ ,]+{_WORD})*\.?")


_ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)\b")
_ARTICLE = re.compile(r"^(?:[Aa]n?|[Tt]he) (?=[A-Za-z]{2})")
_A = re.compile(r"^[Aa]n? ")


def words(text: str) -> Form:
    """A text answer, compared by its words without case (a lone letter keeps its case)."""
    folded = " ".join(re.sub(r"[^\w]+", " ", _ORDINAL.sub(r"\1", text)).split())
    if not (_A.match(folded) and folded.rpartition(" ")[2] in PLACES):  # "a third" is no place
        folded = _ARTICLE.sub("", folded)
    if not folded:
        raise Unparsed("no words")
    # Two or three letters may after all be a product: kept for a comparison with an explicit one ("b \\cdot h").
    node = parse(folded) if len(folded) in (2, 3) and folded.isalpha() and folded.isascii() else None
    return Form(Shape.TEXT, node, label=folded.casefold() if len(folded) > 1 else folded)


def worded(label: str) -> Form | None:
    """ "fifty cents", "five thousand" as a number with its unit; None for all other words."""
    found = leading_number(label)
    beside = units.read(found[1]) if found else None
    if found is None or beside is None:
        return None
    return Form(Shape.SCALAR, ("num", Fraction(found[0] * beside[0])), unit=beside[1])


def split_unit(text: str) -> tuple[str, str]:
    """("5", "cm^2") of ``5\\text{ cm}^2``; the second empty where nothing is beside the number."""
    if match := _TEMPERATURE.search(text):
        return text[: match.start()].strip(), match[1]
    if ("\\text" in text or text.endswith(_LAST_OF_OHM)) and (match := _OHM.match(text) or _TAIL_TEXT.match(text)):
        return match[1].strip(), re.sub(r"\s+(?=\^)|(?<=\^)\s+", "", re.sub(r"\\text\{([^{}]*)\}", r" \1 ", match[2]))
    if not _LETTER_BEHIND.search(text):
        return text, ""
    if (match := _TAIL_WORDS.match(text)) and units.is_known(match[2]):
        return match[1].strip(), match[2]
    if match := _GLUED.match(text):
        return match[1], match[2]
    if (match := _COUNTED.match(text)) and units.read(match[2]):
        return match[1], match[2]
    return text, ""


def _without_ordinal(text: str) -> str:
    """``21st`` and ``7^{\\text{th}} \\text{ grade}`` as 21 and 7, where the ending is the one of the number."""
    match = _ORDINAL_NUMBER.match(text) if text[:1].isdecimal() else None
    if match is None or (match[3] and not units.read(_TEXT.sub(r"\1", match[3]))):
        return text
    teen = match[1][-2:-1] == "1"
    ending = "th" if teen else {"1": "st", "2": "nd", "3": "rd"}.get(match[1][-1], "th")
    return match[1] if match[2] == ending else text


def read_scalar(text: str) -> Form:
    """A number or formula with its unit, percent sign or currency; words where it is none."""
    text = _without_ordinal(text)
    unit = ""
    if text.endswith(DOLLAR):
        text, unit = text[:-1].strip(), "dollar"
    elif match := _CURRENCY.match(text):
        text, unit = match[1] + text[match.end() :].strip(), _CURRENCY_NAMES[match[2]]
    factor = 1
    if unit and (match := _MONEY_SCALE.match(text)):
        text, factor = match[1], _MONEY[match[2].upper()]
    bare, beside = split_unit(text)
    if beside:
        read_unit = units.read(beside)
        if read_unit is None:
            raise Refused("a number with words that change its meaning")
        factor, named = factor * read_unit[0], read_unit[1]
        unit = named or unit
    bare, percent = _strip_percent(clean(bare), unit)
    if bare.rstrip().endswith("\\deg") and not re.search(r"\\(?:sin|cos|tan|cot|sec|csc)", bare):
        bare, unit = bare.rstrip()[: -len("\\deg")].strip(), unit or "deg"
    if not bare:
        raise Unparsed("nothing")
    if unit == "percent":
        unit = ""
    form = _tree(bare)
    if form.shape is not Shape.SCALAR:
        return form
    node = _scaled(form.node, factor)
    return replace(form, node=node, unit=unit, percent=percent, digits=significant(bare) if factor == 1 else None)


def _scaled(node: Node | None, factor: int) -> Node | None:
    if factor == 1 or node is None:
        return node
    return ("num", factor * node[1]) if node[0] == "num" else ("mul", ("num", Fraction(factor)), node)


def _strip_percent(text: str, unit: str) -> tuple[str, bool]:
    if text.endswith("%"):
        return text[:-1].strip(), True
    return text, unit == "percent"


def _tree(text: str) -> Form:
    """The tree of a bare scalar, or the words of a text answer typed without ``\\text``."""
    if (value := number(text)) is not None:
        return Form(Shape.SCALAR, ("num", value))
    if text in ("\\dots", "..."):
        return Form(Shape.TEXT, label="...")
    if text in ("\\emptyset",):
        return words("no solution")
    if PLAIN_WORDS.fullmatch(text) and len(text) > 1 and not _is_product(text):
        return words(text)
    if _PHRASE.fullmatch(text) and re.search("[A-Za-z]{3}", text):
        return _number_or_phrase(text)
    return Form(Shape.SCALAR, parse(text))


def _number_or_phrase(text: str) -> Form:
    """``2 sin x`` is a formula, ``June 20`` is words."""
    try:
        return Form(Shape.SCALAR, parse(text))
    except (Unparsed, Refused):
        return words(text)


_PHRASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,.'\-]*")
_FAMILIES = [set("xyzw"), set("abcd"), set("mnpqrst"), set("uvw"), set("ijk")]


def _is_product(text: str) -> bool:
    """Letters in a row that are a product of variables ("xy", "abc") and not a word ("evil", "no", "Yes")."""
    if text in ("pi", "infinity"):
        return True
    letters = text.replace(" ", "")
    return len(letters) <= 4 and any(set(letters) <= family for family in _FAMILIES)
