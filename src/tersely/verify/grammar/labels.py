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
    r"|(?:\\text\{[A-Za-z ]+\}|[a-z])\s*\([A-Z](?:\s*,\s*[A-Z])*\)$"  # a distance, a rank
    r"|\\(?:vec|overline|overrightarrow|hat|dot)\s*\{?\w+\}?(?:_\{?\w+\}?)?$"
    r"|\\?[A-Za-z]+_\{(?:[^{}]*\\|\w{5})[^{}]*(?:\{[^{}]*\})?[^{}]*\}$"  # a worded subscript
)
"""What may stand left of a value and only names it."""
_NAME = re.compile(r"\\text\{[A-Za-z ]*\}|[A-Za-z][A-Za-z ]{3,}|[A-Z]{2}|\\(?:angle|triangle)\s*[A-Z]*|\|[A-Z]{2}\|")


def label(text: str) -> Form | None:
    """The left of a relation where it only names the value: ``f(x)``, "Area", ``P(X=3)``; else None."""
    if (call := _CALL.fullmatch(text)) and call[1] not in ("e", "i") and re.fullmatch(r"[a-z](,[a-z])*|\d+", call[2]):
        return Form(Shape.TEXT, label=f"f:{call[1]}({call[2]})")
    if _NAME.fullmatch(text):
        return Form(Shape.TEXT, label="name:" + re.sub(r"\\text|\W+", " ", text).strip().casefold())
    if _LABEL.match(text):
        return Form(Shape.TEXT, label="name:" + key(text))
    return None
