"""Strings first: one cleaned LaTeX spelling for answers that only differ in how they are typed.

``clean`` removes what carries no meaning (sizes, thin spaces, dollar signs, fonts) and maps Unicode to LaTeX; ``key``
is the whitespace-free string whose equality means "the same answer, typed again"; ``number`` reads integers, decimals
and plain fractions as exact rationals. Everything is linear in the length of the text.

Stated rules. Thousands: commas or spaces between groups of exactly three digits after one to three digits that do not
start with 0 ("1,234", "1 234", "1{,}234"), commas only outside brackets: "(1,234)" is a pair. A trailing full stop,
comma or semicolon is punctuation. Digits of any script are digits. A control character is never dropped, so that a
hidden one makes an answer differ.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

MAX_DIGITS = 1000
"""Longest number read as an exact rational; longer ones are compared as strings."""

CACHED = 400
"""Longest text, in characters, whose cleaned form is kept: hostile long answers must not fill the memory."""
DOLLAR = "\ue000"
"""Stands for an escaped dollar sign, the currency; a bare one only delimits mathematics."""

_SUPER = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUB = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_UNICODE = {
    "‐": "-", "‑": "-", "¢": r"\text{ cents}",
    "−": "-", "–": "-", "﹣": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "∕": "/", "⁄": "/",
    "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "∞": r"\infty ",
    "π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "φ": r"\phi ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ", "°": r"^\circ ",
    "∖": r"\setminus ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "∣": "|", "′": "'", "“": '"',
    "”": '"', "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2061": "", "\ufeff": "", "∑": r"\sum ", "∫": r"\int ",
    "…": r"\dots ", "。": ".", "ω": r"\omega ", "μ": r"\mu ", "σ": r"\sigma ", "ρ": r"\rho ", "δ": r"\delta ",
    "Ω": r"\Omega ", "µ": r"\mu ", "Å": "\u00c5",
}  # fmt: skip
_TABLE = str.maketrans(_UNICODE)
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_SUPER_RUN = re.compile("[" + "".join(_SUPER) + "]+")
_SUB_RUN = re.compile("[" + "".join(_SUB) + "]+")
_ROOT = re.compile(r"√\s*(?:(\d+(?:\.\d+)?|[A-Za-z])|\(([^()]*)\)|(?=\{))")

# Commands with no meaning for the value, and spellings of the same thing.
_DROP = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|bigg|Bigg|displaystyle|textstyle|limits"
    r"|nolimits|mathstrut|strut|rm|bf|it|tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])\.?|\\[hv]space\*?\{[^{}]*\}"
)
_SPACE = re.compile(r"(\\\\)|\\(?:quad|qquad|enspace|thinspace)(?![A-Za-z])|\\[,;: ]|~")
_FONT = re.compile(
    r"\\(?:(?:mathbf|mathit|mathsf|mathnormal|boldsymbol|bm)\s*\{([A-Za-z]|\d+(?:\.\d+)?)\}|mathrm\s*\{([ei])\})"
)
_TEXT = re.compile(
    r"\\(?:textbf|textit|textrm|textsf|texttt|mathrm|mathbf|mathit|mathsf|textnormal|textup|mbox|hbox|operatorname\*?|text|emph)\s*\{"
)
_ALIAS = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom", "leq": "le", "geq": "ge",
    "leqslant": "le", "geqslant": "ge", "lt": "<", "gt": ">", "neq": "ne", "varnothing": "emptyset", "cdot": "*",
    "times": "*", "ast": "*", "div": "/", "lbrace": "\\{", "rbrace": "\\}", "lvert": "|", "rvert": "|", "vert": "|",
    "mid": "|",
    "colon": ":", "ldots": "dots", "cdots": "dots", "dotsc": "dots", "infin": "infty", "degree": "^\\circ ",
    "lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")", "imath": "i", "lor": "\\text{or}", "vee": "\\text{or}",
    "simeq": "approx", "thickapprox": "approx", "bar": "overline", "Reals": "mathbb{R}", "land": "\\text{and}",
    "wedge": "\\text{and}", "arctg": "arctan", "tg": "tan", "varphi": "phi", "varepsilon": "epsilon", "ne": "ne",
}  # fmt: skip
_COLOUR = re.compile(r"\\(?:textcolor|color)\s*\{[^{}]*\}|\\underline(?=\s*\{)")
_TIMES_X = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_BLACKBOARD = re.compile(r"\\(mathbb|mathcal)\s*([A-Z])(?![A-Za-z])")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_CIRC = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)(?![A-Za-z])")
_THOUSANDS = re.compile(r"(?<![\d.,_^])([1-9]\d{0,2})((?:,\d{3})+|(?: \d{3})+)(?![\d,]|\s\d)")
_BRACED_SIGN = re.compile(r"(?<!\\)\{([.,:])\}")
_OVER = re.compile(r"\{?\s*([^{}\\]+)\\over(?![A-Za-z])\s*([^{}\\]+)\}?")
_NEGATIVE_SPACE = re.compile(r"(?<!\\)\\! *")
_CERTAIN_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|,\s*\\!)\s*(?=\d{3}(?!\d))")
"""A comma typed so that it separates no list: ``1{,}234``, ``1,\\!234``."""
_NAMED_SUBSCRIPT = re.compile(
    r"_\s*(?:\{\s*\\(?:text\s*\{\s*([A-Za-z]{1,4})\s*\}|(max|min))\s*\}|\\(max|min)(?![A-Za-z]))"
)
_CHOOSE = re.compile(r"\{?\s*(\w+|\{[^{}\\]+\})\s*\\choose(?![A-Za-z])\s*(\w+|\{[^{}\\]+\})\s*\}?")
_IMAGINARY = re.compile(r"(?<=[\d})])\s*\\text\{i\}")
_TEXT_WITH_POWER = re.compile(r"\\text\{[^{}]*(?:\^\{-?\d\}[^{}]*)+\}")
_POWER_IN_TEXT = re.compile(r"\^\{(-?\d)\}")
_SIGNS = {"\\AA": "\u00c5", "\\mathring{A}": "\u00c5", "\\r{A}": "\u00c5", "\\textdegree": "\\deg "}
"""Units with a command of their own."""
_LIST_OR_NUMBER = re.compile(r"[1-9]\d\d(?:,[1-9]\d\d)+")
_ASCII_ORDER = {">=": r"\ge ", "<=": r"\le "}
_UNIT_FRACTION = re.compile(
    r"\\frac *\{ *\\text\{([^{}]*)\} *\} *\{ *\\text\{([^{}]*)\} *((?:\^ *(?:\d|\{ *\d *\}))?) *\}"
)
"""``\\frac{\\text{km}}{\\text{h}}``: the unit ``km/h``."""
_BLANKS = re.compile(r"[ \t\r\n]+")


def _alias(match: re.Match[str]) -> str:
    new = _ALIAS.get(match.group(1))
    if new is None:
        return match.group(0)
    return "\\" + new if new[0].isalpha() else new


def _raised(match: re.Match[str]) -> str:
    """``²`` as ``^2``, of which one digit needs no braces, which text must not hold."""
    exponent = "".join(_SUPER[char] for char in match[0])
    return f"^{exponent} " if len(exponent) == 1 else f"^{{{exponent}}}"


def _to_ascii(text: str) -> str:
    """Unicode spellings of mathematics as LaTeX, digits of any script as 0-9."""
    if text.isascii():
        return text
    text = _VULGAR.sub(lambda m: "\\frac{%s}{%s}" % tuple(unicodedata.normalize("NFKC", m[0]).split("⁄")), text)  # noqa: UP031
    text = _SUPER_RUN.sub(_raised, text)
    text = _SUB_RUN.sub(lambda m: "_{" + "".join(_SUB[c] for c in m[0]) + "}", text)
    text = _ROOT.sub(lambda m: "\\sqrt" + ("{" + (m[1] or m[2]) + "}" if m[1] or m[2] else ""), text)
    text = unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _strip_edges(text: str) -> str:
    """Outer dollars, math delimiters, punctuation and Markdown stars."""
    while True:
        before = text
        text = text.strip(" ")
        for left, right in (("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"), ('"', '"'), ("'", "'")):
            if text.startswith(left) and text.endswith(right) and len(text) >= len(left) + len(right):
                text = text[len(left) : len(text) - len(right)]
        text = text.removesuffix("\\\\")
        text = text.removesuffix("\\")  # of a "\\ " whose space is stripped
        if text.endswith((".", ",", ";")) and not text.endswith(("\\,", "\\;", "..")):
            text = text[:-1]
        if text == before:
            return text


def matching(text: str, start: int) -> int:
    """Index of the brace that closes the one at ``start``; -1 where none does. Escaped braces do not count."""
    depth, i = 0, start
    while i < len(text):
        char = text[i]
        if char == "\\":
            i += 2
            continue
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return i
        i += 1
    return -1


def _join_thousands(text: str) -> str:
    """``1,234`` -> ``1234`` outside round and square brackets and sets: inside them a comma separates."""
    inside, depth = [], 0
    if "(" in text or "[" in text or "\\{" in text:
        for i, char in enumerate(text):
            depth += char in "([" or (char == "{" and text[i - 1 : i] == "\\")
            inside.append(depth > 0)
            depth -= char in ")]" or (char == "}" and text[i - 1 : i] == "\\")

    def join(match: re.Match[str]) -> str:
        if inside and inside[match.start()] and "," in match[2]:
            return match[0]
        return match[1] + match[2].replace(",", "").replace(" ", "")

    return _THOUSANDS.sub(join, text)


def _unwrap_braces(text: str) -> str:
    """``{{x}}`` -> ``x``, in one pass however deep."""
    depth = 0
    n = len(text)
    while depth < n // 2 and text[depth] == "{" and text[n - 1 - depth] == "}":
        depth += 1
    if depth == 0 or "\\" in text[n - depth - 1 : n - depth]:
        return text
    inner = text[depth : n - depth]
    if "{" not in inner and "}" not in inner:
        return inner.strip()
    if matching(text, 0) == n - 1:
        return text[1:-1].strip()
    return text


def _rarer(text: str) -> str:
    """Worded subscripts, ``\\choose``, powers, signs and an imaginary unit in text, each where the text has one."""
    if "^{" in text and "\\text" in text:
        text = _TEXT_WITH_POWER.sub(lambda m: _POWER_IN_TEXT.sub(r"^\1", m[0]), text)
    for command, sign in _SIGNS.items():
        text = text.replace(command, sign) if command in text else text
    if "_" in text:
        text = _NAMED_SUBSCRIPT.sub(lambda m: "_{" + (m[1] or m[2] or m[3]) + "}", text)
    if "\\choose" in text:
        text = _CHOOSE.sub(lambda m: "\\binom{%s}{%s}" % (m[1].strip("{}"), m[2].strip("{}")), text)  # noqa: UP031
    return _IMAGINARY.sub("i", text) if "\\text{i}" in text else text


_WIDE_SPACE = re.compile(r"(?<=\d)\s*\\q?quad\s*(?=[-+]?\d)")


def as_list(text: str) -> str | None:
    """ "100,300" as "100, 300" and "2 \\quad 3" as "2, 3"; None for all that is no such list.

    Groups of three digits that all begin with another digit than 0 may be a list or one number: as a gold answer with
    bare commas they are the list. A wide space between numbers separates them where the gold answer is a list.
    """
    stripped = text.strip(" $")
    if "quad" in stripped and _WIDE_SPACE.search(stripped):
        return _WIDE_SPACE.sub(", ", stripped)
    return stripped.replace(",", ", ") if _LIST_OR_NUMBER.fullmatch(stripped) else None


def _fonts(text: str) -> str:
    """Without colours and fonts of mathematics, every font of words as ``\\text``."""
    text = _FONT.sub(lambda m: " " + (m[1] or m[2]), _COLOUR.sub("", text))
    return _BLACKBOARD.sub(r"\\\1{\2}", _TEXT.sub(r"\\text{", text))


def clean(text: str) -> str:
    """The cleaned LaTeX of an answer (see the module's rules); never raises."""
    return _clean(text) if len(text) <= CACHED else _clean.__wrapped__(text)


@lru_cache(maxsize=8192)
def _clean(text: str) -> str:
    plain = text.strip(" ")
    if plain.isascii() and plain.isdecimal():
        return plain
    text = _BLANKS.sub(" ", _to_ascii(text))
    if "$" in text:
        text = text.replace("\\$", DOLLAR).replace("$", " ")
    text = _strip_edges(text)
    if "{" in text or "\\!" in text:
        text = _BRACED_SIGN.sub(r"\1", _NEGATIVE_SPACE.sub("", _CERTAIN_THOUSANDS.sub("", text)))
    text = text.replace("\\%", "%")
    if "\\" in text or "~" in text:
        text = _fonts(text) if "{" in text or "\\math" in text else text
        text = _COMMAND.sub(_alias, _SPACE.sub(lambda m: m[1] or " ", _DROP.sub("", text)))
        text = _CIRC.sub(lambda _: r"\deg ", text) if "circ" in text else text
        text = _UNIT_FRACTION.sub(r"\\text{\1/\2}\3", text) if "\\text" in text else text
        text = _rarer(text)
    if "=" in text:
        for typed, command in _ASCII_ORDER.items():
            text = text.replace(typed, command)
    if "\\over" in text and (match := _OVER.fullmatch(text)):
        text = f"\\frac{{{match[1].strip()}}}{{{match[2].strip()}}}"
    text = _TIMES_X.sub("*", text) if "10" in text else text
    text = _join_thousands(text)
    text = _BLANKS.sub(" ", text) if "  " in text else text
    text = text.replace("**", "^") if re.search(r"[\w)]\*\*[\w(]", text) else text
    return _unwrap_braces(_strip_edges(text))


_GAP = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")
_SINGLE = re.compile(r"([\^_])\{([A-Za-z0-9])\}")
_COMMAND_DIGIT = re.compile(r"(\\[A-Za-z]+)(?:\{(\d)\}| (?=\d))")
_FRAC_DIGITS = re.compile(r"\\frac\s*(\d)\s*(\d)")


def key(text: str) -> str:
    """String whose equality means the same answer typed again. A space between two word characters stays."""
    return _key(text) if len(text) <= CACHED else _key.__wrapped__(text)


@lru_cache(maxsize=8192)
def _key(text: str) -> str:
    text = _GAP.sub("", clean(text).replace(DOLLAR, ""))
    if "\\" in text:
        text = _FRAC_DIGITS.sub(r"\\frac{\1}{\2}", text)
    if "{" in text:
        text = _SINGLE.sub(r"\1\2", text)
    return _COMMAND_DIGIT.sub(r"\1\2", text) if "\\" in text else text


_LAST_OF_NUMBER = frozenset("0123456789.}")
_DECIMAL = re.compile(r"[+-]?\s*(?:\d+(?:\.\d*)?|\.\d+)")
_SCIENTIFIC = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))[eE]([+-]?\d{1,3})")
_FRACTION = re.compile(
    r"([+-]?)\s*(?:\\frac\s*\{\s*([+-]?\d+)\s*\}\s*\{\s*([+-]?\d+)\s*\}|(\d+)\s*/\s*(\d+)|\\frac(\d)(\d))"
)


def number(text: str) -> Fraction | None:
    """The exact value of a cleaned integer, decimal, ``1.5e3`` or plain fraction; None for anything else."""
    if len(text) > MAX_DIGITS or text[-1:] not in _LAST_OF_NUMBER:
        return None
    if text.isdecimal():
        return Fraction(int(text))
    if _DECIMAL.fullmatch(text):
        return Fraction(text.replace(" ", ""))
    if match := _SCIENTIFIC.fullmatch(text):
        return Fraction(match[1]) * Fraction(10) ** int(match[2])
    if match := _FRACTION.fullmatch(text):
        top, bottom = (int(next((g for g in (match[i], match[i + 2], match[i + 4]) if g), 0)) for i in (2, 3))
        if bottom == 0:
            return None
        return Fraction(-top if match[1] == "-" else top, bottom)
    return None


_DOTTED = re.compile(r"(\d*\.\d*)\\dot *\{?(\d)\}?(?:(\d*)\\dot *\{?(\d)\}?)?")


_PERIOD = re.compile(r"(\d*\.\d*)\((\d{1,20})\)")
"""``0.1(6)``: an answer is worked out, so this is no product."""


def repeating(text: str) -> str:
    """``0.\\dot{3}`` and ``0.1\\dot{4}2\\dot{8}``, ``0.333\\dots`` (one digit three times or more) with an overline."""
    if match := _PERIOD.fullmatch(text) if text.endswith(")") else None:
        return f"{match[1]}\\overline{{{match[2]}}}"
    if "dot" not in text and "..." not in text:
        return text
    if match := _DOTTED.fullmatch(text):
        return f"{match[1]}\\overline{{{match[2]}{match[3] or ''}{match[4] or ''}}}"
    digits = re.sub(r" *(?:\\dots|\.\.\.)$", "", text)
    shorter = digits.rstrip(digits[-1:])
    run = len(digits) - len(shorter)
    if digits == text or run < 3 or not digits[-1].isdecimal() or not _DECIMAL.fullmatch(shorter):
        return text
    if "." not in shorter:
        return text
    return f"{shorter}\\overline{{{digits[-1]}}}"
