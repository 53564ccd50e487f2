"""What may be handed to math-verify: a static look at the string, before any parser or sympy sees it.

Policy. A final answer is short and evaluated. An answer that the guard refuses is WRONG with a reason that starts with
"refused": it is too long, too deep, has a tower of powers, a huge number, or an operator that says how to compute the
answer. It is never UNJUDGED: that status is kept for workers that ran out of time or memory or crashed, so that a
policy cannot gain by writing answers that are expensive to judge. An answer whose cleaned string equals the gold's is
CORRECT before any guard is asked.
"""

from __future__ import annotations

import re

MAX_LENGTH = 300
MAX_DEPTH = 12
MAX_RUN = 40
"""Digits in a row."""
MAX_POWERS = 6

_POWER = re.compile(r"\^\s*(?:\{([^{}]*)|(\S))")
_DEEP_POWER = re.compile(r"\^\s*\{[^{}]*(?:\^|\{)")
_WORDY = re.compile(r"[A-Za-z]{5,}")
_COMMANDS = re.compile(r"\\(?:begin|end|text)\{[^{}]*\}|\\[A-Za-z]+")
_FORBIDDEN = re.compile(
    r"!|\\(?:binom|input|include|def|write|catcode|newcommand|let|loop|csname|expandafter)(?![a-z])|__|[;`\"@#]"
)

_IGNORED = re.compile(
    r"\\text\{[^{}]*\}|'|\\(?:prime|overline|underline|hat|widehat|vec|tilde|widetilde|dot|ddot|overrightarrow|color"
    r"|overleftarrow|mathcal|mathfrak|mathscr|not|neg)(?![A-Za-z])"
)

# Operators that say how to get an answer, not the answer (policy: an answer is evaluated), and things hidden or drawn.
_UNEVALUATED = re.compile(
    r"\\(?:sum|prod|coprod|i{1,3}nt|oint|lim|limsup|liminf|det|gcd|lcm|max|min|sup|inf|Gamma|zeta|mod|bmod|pmod|pod|mathop|deriv"
    r"|phantom|hphantom|vphantom|boxed|fbox|box|prod|bigcup|bigcap|underbrace|overbrace|xrightarrow|cancel|sout)(?![A-Za-z])"
    r"|\\text\{(?:gcd|lcm|max|min|det|lim|rank|tr|sum)\}|\\begin\{(?:v|V)matrix\}|\b(?:gcd|lcm|det|max|min)\s*\("
    r"|\\frac\s*\{d[\^}]|(?<=[\d\s)])mod(?=[\s\d(])"
)


def unevaluated(text: str) -> str | None:
    """The first operator in cleaned LaTeX that no final answer has, or None."""
    match = _UNEVALUATED.search(text) if "\\" in text or "(" in text else None
    return match.group(0) if match else None


_OPEN_ENDED = re.compile(r"\\(?:sum|prod|coprod|i{0,3}int|oint|lim)(?![A-Za-z])")


def never_ends(text: str) -> str | None:
    """An operator for which no budget is known to be enough: what the grammar leaves of these is not judged at all."""
    match = _OPEN_ENDED.search(text)
    return match.group(0) if match else None


_ORDERED = re.compile(r"\\(?:angle|triangle|overrightarrow|overleftarrow|vec)\s*\{?\s*([A-Za-z]+)")


def order_of_letters(gold: str, answer: str) -> str | None:
    """math-verify multiplies letters in any order: those of an angle and of a product of vectors have one."""
    ours, theirs = (_ORDERED.findall(text) for text in (gold, answer))
    free = "*" not in gold + answer and "\\angle" not in gold + answer
    same = sorted(ours) == sorted(theirs) if free else ours == theirs or _same_angle(ours, theirs)
    return None if same else "letters in another order"


def _same_angle(ours: list[str], theirs: list[str]) -> bool:
    return len(ours) == len(theirs) == 1 and len(ours[0]) == 3 and ours[0] == theirs[0][::-1]


def refuse(text: str) -> str | None:
    """Why a cleaned answer may not be evaluated, or None. Linear in the length."""
    if len(text) > MAX_LENGTH:
        return "refused: longer than any final answer"
    if any((ord(char) < 32 and char not in "\t\n\r") or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        return "refused: a control character"
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if depth != 0 or deepest > MAX_DEPTH:
        return "refused: brackets too deep or not closed"
    if re.search(rf"\d{{{MAX_RUN},}}", text):
        return "refused: a number of more digits than any final answer"
    if _FORBIDDEN.search(text) or _WORDY.search(_COMMANDS.sub(" ", text)):
        return "refused: no mathematics"
    return _powers(text)


def _powers(text: str) -> str | None:
    powers = _POWER.findall(text)
    if len(powers) > MAX_POWERS or _DEEP_POWER.search(text) or re.search(r"\^\s*(?:\d+|\\?[A-Za-z])\s*\^", text):
        return "refused: a tower of powers"
    if any(re.search(r"\d{3,}", braced or single) for braced, single in powers):
        return "refused: a large exponent"
    return None


def other_words(gold: str, answer: str) -> str | None:
    """math-verify ignores ``\\text``, primes and decorations; here they must be the same on both sides."""
    gold_words, answer_words = (sorted(_IGNORED.findall(text)) for text in (gold, answer))
    return None if gold_words == answer_words else "words that cannot be read"
