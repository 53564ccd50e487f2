"""The shape of an answer: number, list, tuple, set, interval, union, relation, matrix, ratio, number in a base, text.

``read`` turns a cleaned string into a ``Form``; the leaves are trees of ``expr``. What has no reading raises Unparsed
(it then goes to math-verify) or Refused (no final answer may look like that). Linear in the length, bounded in depth.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from tersely.verify.grammar import notations
from tersely.verify.grammar.brackets import closes_early, split, without_parentheses
from tersely.verify.grammar.labels import label
from tersely.verify.grammar.normalise import CACHED, clean, key, number, repeating
from tersely.verify.grammar.numerals import fraction_word
from tersely.verify.grammar.ratios import based, ratio
from tersely.verify.grammar.relations import both
from tersely.verify.grammar.scalars import (
    ALL_OF,
    ANY_OF,
    PLAIN_WORDS,
    UNORDERED,
    Form,
    Shape,
    read_scalar,
    significant,
    words,
)
from tersely.verify.grammar.tokens import Refused, Unparsed

MAX_LENGTH = 1_600
MAX_ITEMS = 400
MAX_FORM_DEPTH = 6


_TEXT_OR = re.compile(r"\\text\{\s*,?\s*(?:or|and)\s*\}|(?<=[\s})\]$\d])(?:or|and)(?=[\s({\[$\\\d-])|\\quad")
_TEXT_ONLY = re.compile(r"\\text\{([^{}]*)\}")
_LEADING = re.compile(
    r"^(?:\\approx(?![A-Za-z])|=|\\text\{\s*[A-Za-z][A-Za-z ]{0,40}:\s*\})\s*(?=\S)"
    r"|^(?:\\text\{\s*)?(?:the\s+)?(?:final\s+)?answer\s*(?:is|=|:)?\s*:?\s*\}?\s*(?=\S)",
    re.I,
)
_MATRIX = re.compile(r"\\begin\{([pbB]?matrix|array)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}", re.DOTALL)
_MEMBER = re.compile(r"[A-Za-z]\s*\\in(?![A-Za-z])\s*")
_RELATION = re.compile(r"\\(?:le|ge|ne|approx|equiv|in|sim|cong|subset|subseteq|to|mapsto)(?![A-Za-z])|[<>=]")


def read(text: str) -> Form:
    """The form of an answer. ``text`` is raw or cleaned. Raises Unparsed or Refused."""
    if len(text) > MAX_LENGTH:
        raise Refused("longer than any final answer")
    return _cached(text) if len(text) <= CACHED else _cached.__wrapped__(text)


@lru_cache(maxsize=8192)
def _cached(text: str) -> Form:
    form = _read(clean(text), 0)
    return _REALS if form.shape is Shape.TEXT and form.label in _ALL_REALS else form


_INFINITE = ("const", "inf")
_REALS = Form(Shape.TUPLE, items=(Form(Shape.SCALAR, ("neg", _INFINITE)), Form(Shape.SCALAR, _INFINITE)), label="()")
_ALL_REALS = {"all real numbers", "all reals", "all real", "real numbers", "any real number", "set of real numbers"}


def _read(text: str, depth: int) -> Form:
    if depth > MAX_FORM_DEPTH:
        raise Refused("nested deeper than any final answer")
    if (value := number(text)) is not None:
        return Form(Shape.SCALAR, ("num", value), digits=significant(text))
    if not text:
        raise Unparsed("nothing")
    text = without_parentheses(text)
    if match := _TEXT_ONLY.fullmatch(text):
        return _read_text(match.group(1), depth)
    if match := _LEADING.match(text):
        return _read(clean(text[match.end() :]), depth + 1)
    if text == "\\mathbb{R}":
        return _REALS
    if (spelled := repeating(notations.with_approximation(text))) != text:
        return _read(spelled, depth + 1)
    if depth == 0 and (parts := notations.without_condition(text)) is not None:
        return replace(_read(clean(parts[0]), depth + 1), condition=parts[1])
    for reader in (
        _read_notation,
        _read_list,
        _read_matrix,
        _read_relation,
        _read_union,
        _read_brackets,
        _read_ratio,
    ):
        if (form := reader(text, depth)) is not None:
            return form
    return read_scalar(text)


def _read_notation(text: str, depth: int) -> Form | None:
    def read_part(part: str) -> Form:
        return _read(clean(part), depth + 1)

    if ("|" in text or ":" in text) and (
        match := _BUILDER.match(text)
    ) is not None:  # a set typed with bare braces, which cleaning drops
        return read_part(text[match.end() :])
    for reader in (notations.system, notations.congruence, notations.real_set):
        if (form := reader(text, read_part)) is not None:
            return form
    if text[-1:].isalnum() or text[-1:] in ").}":
        worded = (notations.amount, notations.date, notations.verdict, notations.measures, notations.combinations)
        return next((form for reader in worded if (form := reader(text)) is not None), None)
    return None


def _read_ratio(text: str, depth: int) -> Form | None:
    return ratio(text, lambda part: _read(clean(part), depth + 1)) or based(text)


def _read_text(inner: str, depth: int) -> Form:
    """Inside ``\\text{...}``: a number or formula if it reads as one, else words."""
    inner = clean(inner)
    if match := _LEADING.match(inner):
        return _read_text(inner[match.end() :], depth + 1)
    if inner.casefold() == "infinity":
        return _read("\\infty", depth + 1)
    if (said := notations.verdict(inner)) is not None:
        return said
    if " and " in inner and fraction_word(inner.casefold().replace("-", " ")) is not None:
        return words(inner)
    if "," in inner and PLAIN_WORDS.fullmatch(inner) and all(piece.strip() for piece in inner.split(",")):
        return Form(Shape.LIST, items=tuple(words(piece) for piece in inner.split(",")[:MAX_ITEMS]))
    if len(inner) > 1 and PLAIN_WORDS.fullmatch(inner) and not _TEXT_OR.search(f" {inner} "):
        return words(inner)
    try:
        return _read(inner, depth + 1)
    except Unparsed:
        return words(inner)


_COMMA = re.compile(r"[,;]")


def _read_list(text: str, depth: int) -> Form | None:
    if "\\\\" in text and "\\begin" not in text:
        text = text.replace("\\\\", ",")
    if "=" in text and (named := notations.groups(text, _BETWEEN_GROUPS)):
        return Form(Shape.LIST, items=tuple(_point(piece, depth) for piece in named))
    replaced = re.sub(r"\s*,\s*,\s*", ",", _TEXT_OR.sub(",", text))
    if "," not in replaced and ";" not in replaced:
        return _plus_minus(text, depth)
    pieces, found = split(replaced, _COMMA)
    if not found:
        return None
    if len(pieces) > MAX_ITEMS:
        raise Refused("a longer list than any final answer")
    pieces[0] = re.sub(r"^(?:\\text\{)?(?:either|both)\}?\s*", "", pieces[0], flags=re.I)
    if not all(pieces):
        raise Unparsed("an empty place in a list")
    if all(re.fullmatch(r"[A-Za-z][A-Za-z' -]+", piece) for piece in pieces):
        return Form(Shape.LIST, items=tuple(words(piece) for piece in pieces))
    items = _members(pieces, depth)
    if len(items) == 2 and _AND.search(text) and (interval := both(*items)):
        return interval
    joined = UNORDERED if len(items) > len(pieces) else ALL_OF if _AND.search(text) else _any_of(text)
    return Form(Shape.LIST, items=_spread_unit(_spread_name(items)), label=joined)


_OR = re.compile(r"\\text\{\s*,?\s*or\s*\}|\bor\b")


def _any_of(text: str) -> str:
    return ANY_OF if _OR.search(text) else ""


_BETWEEN_GROUPS = re.compile(r";|\\text\{\s*,?\s*or\s*\}")


def _point(text: str, depth: int) -> Form:
    """ "b=4, a=1" as the tuple of its values in the order of their names."""
    form = _read(clean(text), depth + 1)
    names = [_assigned(item) for item in form.items]
    if form.shape is not Shape.LIST or None in names or len(set(names)) < len(names):
        raise Unparsed("groups that are no points")
    placed = sorted(zip(names, form.items, strict=True), key=lambda pair: str(pair[0]))
    return Form(Shape.TUPLE, items=tuple(item.items[-1] for _, item in placed), label="()")


_AND = re.compile(r"\\text\{\s*,?\s*and\s*\}|\band\b")


def _members(pieces: list[str], depth: int) -> list[Form]:
    """The pieces read; "1 \\pm 2" among them is two members."""
    members: list[Form] = []
    for piece in pieces:
        form = _read(clean(piece), depth + 1)
        members.extend(form.items if form.shape is Shape.LIST else (form,))
    return members


def _spread_unit(items: list[Form]) -> tuple[Form, ...]:
    """ "3, 5 cm": the last unit counts for all that have none."""
    unit = items[-1].unit
    return tuple(replace(i, unit=unit) if unit and i.shape is Shape.SCALAR and not i.unit else i for i in items)


def _spread_name(items: list[Form]) -> list[Form]:
    """ "x = 3, x = 5" and "x = 3, 5" are the list 3, 5 of values of x."""
    names = [_assigned(item) for item in items]
    plain = (item.shape is Shape.SCALAR for name, item in zip(names, items, strict=True) if name != names[0])
    if names[0] and all(plain):
        return [item.items[-1] if name else item for name, item in zip(names, items, strict=True)]
    return items


def _assigned(form: Form) -> str | None:
    """The variable of ``x = value``, else None."""
    left = form.items[0].node if form.shape is Shape.RELATION and form.label == "=" else None
    return left[1] if left and left[0] == "sym" else None


_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")


def _plus_minus(text: str, depth: int) -> Form | None:
    count = len(_PLUS_MINUS.findall(text)) if "\\pm" in text or "\\mp" in text else 0
    if count == 0:
        return None
    if count > 1 or _RELATION.search(text[text.find("\\p") :]):
        raise Unparsed("more than one plus-minus")
    signs = [_PLUS_MINUS.sub(sign, text) for sign in "+-"]
    items = _spread_name([_read(clean(s), depth + 1) for s in signs])
    return Form(Shape.LIST, items=tuple(items), label=UNORDERED)


def _read_matrix(text: str, depth: int) -> Form | None:
    match = _MATRIX.fullmatch(text)
    if match is None:
        if "\\begin" in text:
            raise Unparsed("an environment")
        return None
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", match.group(2)) if row.strip()]
    if not rows or len(rows) > 12:
        raise Refused("a larger matrix than any final answer")
    read_rows = []
    for row in rows:
        cells = row.split("&")
        if len(cells) > 12:
            raise Refused("a larger matrix than any final answer")
        read_rows.append(Form(Shape.TUPLE, items=tuple(_read(clean(cell), depth + 1) for cell in cells)))
    return Form(Shape.MATRIX, items=tuple(read_rows))


def _read_relation(text: str, depth: int) -> Form | None:
    pieces, found = split(text, _RELATION)
    if not found:
        return None
    if len(found) > 4 or not all(pieces):
        raise Refused("no complete relation")
    if found == ["\\in"] and _MEMBER.match(text):
        return _read(clean(pieces[1]), depth + 1)
    if any(op.startswith("\\") and op not in ("\\le", "\\ge", "\\ne", "\\approx") for op in found):
        raise Unparsed("an unusual relation")
    named = 1 if len(pieces) == 3 and not set(found) & {"=", "\\approx"} else 0  # the name in "1 < f(x) < 2"
    sides = [_side(piece, depth, first=i in (0, named)) for i, piece in enumerate(pieces)]
    return Form(Shape.RELATION, items=tuple(sides), label=" ".join(found))


def _side(text: str, depth: int, *, first: bool) -> Form:
    """A side of a relation; on the left, what only names the value is a label."""
    return (label(text) if first else None) or _read(clean(text), depth + 1)


def _read_union(text: str, depth: int) -> Form | None:
    if "\\cup" not in text:
        return None
    pieces, found = split(text, re.compile(r"\\cup(?![A-Za-z])"))
    if not found:
        return None
    if len(pieces) > MAX_ITEMS or not all(pieces):
        raise Refused("a longer union than any final answer")
    items = [_read(clean(piece), depth + 1) for piece in pieces]
    return Form(Shape.UNION, items=tuple(items))


def _read_brackets(text: str, depth: int) -> Form | None:
    left = next((key for key in ("(", "[", "\\{", "\\langle") if text.startswith(key)), None)
    if left is None:
        return None
    right = next((key for key in (")", "]", "\\}", "\\rangle") if text.endswith(key)), None)
    if right is None or closes_early(text):
        return None
    inner = text[len(left) : len(text) - len(right)].strip()
    if left == "\\{" and right == "\\}":
        return _read_set(inner, depth)
    pieces, found = split(inner, _COMMA)
    if not found:
        return _read(clean(inner), depth + 1) if left == "[" and right == "]" else None
    if len(pieces) > MAX_ITEMS or not all(pieces):
        raise Refused("no complete tuple")
    items = tuple(_read(clean(piece), depth + 1) for piece in pieces)
    closed = "()" if left == "\\langle" else left + right
    return Form(Shape.TUPLE, items=items, label=closed)


_BUILDER = re.compile(r"[a-z]\s*(?:\\in\s*\\mathbb\{R\}\s*)?[|:](?=[^|:]*(?:[<>]|\\(?:le|ge|ne)(?![a-z])))\s*")
"""``x |`` or ``x \\in \\mathbb{R} :`` of a set of reals given by a relation: read as that relation."""


def _read_set(inner: str, depth: int) -> Form:
    if not inner:
        return words("no solution")
    if match := _BUILDER.match(inner):
        return _read(clean(inner[match.end() :]), depth + 1)
    pieces, _ = split(inner, ",")
    if len(pieces) > MAX_ITEMS or not all(pieces):
        raise Refused("no complete set")
    if "|" in inner or ":" in inner or _RELATION.search(inner):
        return Form(Shape.TEXT, label="set:" + key(inner))
    return Form(Shape.SET, items=tuple(_members(pieces, depth)))
