"""What stands left of a value and only names it."""

from __future__ import annotations

import re

from tersely.verify.grammar.normalise import key
from tersely.verify.grammar.scalars import Form, Shape

_CALL = re.compile(r"([A-Za-z]|\\[A-Za-z]+)(?:_\{?\w+\}?)?(?:\^\{?-1\}?)?\(([^()]*)\)")
_LABEL = re.compile(
    r"(?:P|Pr|E|Var|\\text\{(?:P|Pr|E|Var)\}|\\mathbb\{[PE]\})\s*[(\[].*[)\]]$"  # a probability
    r"|[A-Za-z]'{1,3}\s*(?:\([^()]*\))?$"  # a derivative
    r"|\\frac\{\w+(?:_\{?\w+\}?)?\(\w\)\}\{\w+(?:_\{?\w+\}?)?\(\w\)\}$"  # a transfer function
    r"|\\(?:lim|dim|deg|det|gcd|min|max|arg|ker|i{0,3}int|oint)(?![A-Za-z]).*$"
    r"|\\(?:sum|prod)(?![A-Za-z]).*\\infty.*$"
    r"|(?:\\text\{[A-Za-z ]+\}|[a-z])\s*\([A-Z](?:\s*,?\s*[A-Z]){0,5}\)$"  # a distance, a rank, an area
    r"|\\text\{[A-Za-z ]+\}_\{?\s*(?:\\triangle\s*)?[A-Z]{1,6}\s*\}?$"
    r"|m\s*\\angle\s*[A-Z0-9]+$"
    r"|\|\s*(?:\\triangle\s*)?[A-Z]+(?:\s*\\c[au]p\s*[A-Z])*\s*\|$"  # an area, the size of a set
    r"|\\(?:vec|overline|overrightarrow|hat|dot)\s*\{?\w+\}?(?:_\{?\w+\}?)?$"
    r"|\\?[A-Za-z]+_\{(?:[^{}]*\\|\w{5})[^{}]*(?:\{[^{}]*\})?[^{}]*\}$"  # a worded subscript
)
"""What may stand left of a value and only names it."""
_NUMBERS = r"(?:[^A-Za-z()\\]|\\(?:frac|pi|sqrt)(?![A-Za-z]))*"
_AT_NUMBERS = (
    rf"[fghFGHPQpq](?:_\{{?\w\}}?)?(?:\^\{{?-1\}}?)?\((?:[fgh]\((?:[fgh]\({_NUMBERS}\)|{_NUMBERS})\)|{_NUMBERS})\)"
)
_ASKED = re.compile(
    rf"{_AT_NUMBERS}(?:\s*[-+*/]?\s*{_AT_NUMBERS}){{0,3}}|\([fgh](?:\s*\\circ\s*[fgh]){{1,3}}\)\({_NUMBERS}\)"
)
"""A function at numbers, ``f(-2)``, ``f(g(2))``, or a sum of such: nothing in it is unknown."""
_NAME = re.compile(
    r"\\text\{[A-Za-z ]*\}(?:\s*(?:\\(?:angle|triangle)\s*)?[A-Z]{1,6})?"
    r"|[A-Za-z][A-Za-z ]{3,}|[A-Z]{2}|\\(?:angle|triangle)\s*[A-Z]*|\|[A-Z]{2}\|"
)


def label(text: str) -> Form | None:
    """The left of a relation where it only names the value: ``f(x)``, "Area", ``P(X=3)``; else None."""
    if (call := _CALL.fullmatch(text)) and call[1] not in ("e", "i") and re.fullmatch(r"[a-z](,[a-z])*|\d+", call[2]):
        return Form(Shape.TEXT, label=f"f:{call[1]}({call[2]})")
    if _NAME.fullmatch(text):
        return Form(Shape.TEXT, label="name:" + re.sub(r"\\text|\W+", " ", text).strip().casefold())
    if _LABEL.match(text) or _ASKED.fullmatch(text):
        return Form(Shape.TEXT, label="name:" + key(text))
    return None
