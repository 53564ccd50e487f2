"""The words of the expression grammar, and the outcomes that end its reading: commands, functions, Greek letters."""

from __future__ import annotations

import re
from typing import Any

MAX_TOKENS = 400

Node = tuple[Any, ...]


class Unparsed(ValueError):  # noqa: N818 (an outcome, not a mistake)
    """Not in the grammar; says nothing about the value."""


class Refused(ValueError):  # noqa: N818
    """In no way a final answer that one may evaluate: too large, too deep, undefined."""


class Undefined(Refused):
    """No value at all: a division by zero, 0^0, the logarithm of 0."""


_TOKEN = re.compile(
    r"\s*(?:(?P<num>\d+(?:\.\d+)?\.?(?!\d)|\.\d+)|(?P<cmd>\\[A-Za-z]+)|(?P<esc>\\.)|(?P<word>[A-Za-z]+)|(?P<op>[^\sA-Za-z\d\\]))"
)
FUNCTIONS = {
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "arccot", "sinh", "cosh", "tanh", "coth",
    "ln", "log", "exp", "lg",
}  # fmt: skip
_PLAIN = FUNCTIONS | {"sqrt", "pi", "asin", "acos", "atan", "infinity"}
GREEK = {
    "alpha", "Pi", "Upsilon", "upsilon", "omicron", "vartheta", "varrho", "varsigma", "varpi",
     "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma",
    "Phi", "Psi", "Omega", "ell", "hbar",
}  # fmt: skip
CONSTANTS = {"\\pi": "pi", "\\infty": "inf"}
INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot"}


def tokens(text: str) -> list[str]:
    """Numbers, commands, single letters and signs. A word of four or more unknown letters is text: Unparsed."""
    found: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unparsed("an unknown sign")
        at = match.end()
        word = match["word"]
        if word is None:
            found.append(match[match.lastgroup or 0])
        elif word in _PLAIN:
            found.append("\\" + word)
        elif len(word) > 4:
            raise Unparsed("a word")
        else:
            found.extend(word)
        if len(found) > MAX_TOKENS:
            raise Refused("longer than any final answer")
    return found


DECORATIONS = {"dot", "ddot", "hat", "tilde"}
OPENERS = (
    GREEK
    | FUNCTIONS
    | DECORATIONS
    | {"sum", "prod"}
    | {"frac", "binom", "sqrt", "lfloor", "lceil", "asin", "acos", "atan", "infinity", "pi"}
)
"""Commands that start a factor."""
