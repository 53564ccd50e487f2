"""Answers of several numbers in one order: ratios, vectors, congruences."""

from __future__ import annotations

import re
from fractions import Fraction

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.identities import same_value
from tersely.verify.grammar.relations import Agree, Decision
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.tokens import Node
from tersely.verify.grammar.values import exact


def congruences(gold: Form, answer: Form, agree: Agree) -> Decision:
    """The same residue for the same modulus; a residue alone is the value where that is the gold answer."""
    if Shape.RELATION in (gold.shape, answer.shape):
        return _family(*((answer, gold) if gold.shape is Shape.RELATION else (gold, answer)), agree)
    if gold.shape is not answer.shape:
        return agree(gold, answer.items[1]) if gold.shape is Shape.SCALAR else (False, "a congruence and a value")
    if gold.label != answer.label or not agree(gold.items[0], answer.items[0])[0]:
        return False, "different congruences"
    values = [exact(form.items[1].node) if form.items[1].node else None for form in (gold, answer)]
    if gold.label.isdecimal() and values[0] is not None and values[1] is not None:
        same = (values[0] - values[1]) % int(gold.label) == 0
        return same, "the same residue" if same else "different residues"
    return agree(gold.items[1], answer.items[1])


def _family(congruence: Form, relation: Form, agree: Agree) -> Decision:
    """``x \\equiv 23 \\pmod{105}`` and ``x = 105k + 23, k \\in \\mathbb{Z}``."""
    integer = _INTEGER.fullmatch(relation.condition)
    node, residue = relation.items[-1].node, congruence.items[1].node
    if relation.label != "=" or integer is None or node is None or residue is None or not congruence.label.isdecimal():
        return False, "a congruence and a relation"
    if symbols(node) != {integer[1]} or not agree(congruence.items[0], relation.items[0])[0]:
        return False, "a congruence and a relation"
    values = [exact(_with(node, integer[1], place)) for place in range(3)]
    target = exact(residue)
    if target is None or values[0] is None or values[1] is None or values[2] is None:
        return False, "a congruence and a relation"
    step, modulus = values[1] - values[0], int(congruence.label)
    same = abs(step) == modulus and values[2] - values[1] == step and (values[0] - target) % modulus == 0
    return same, "the same residues" if same else "different residues"


_INTEGER = re.compile(r"([a-z])\\in\\mathbb\{Z\}")


def _with(node: Node, name: str, value: int) -> Node:
    """The tree with a number for a variable."""
    if node == ("sym", name):
        return ("num", Fraction(value))
    return (node[0], *(_with(child, name, value) if isinstance(child, tuple) else child for child in node[1:]))


def ratios(gold: Form, answer: Form, agree: Agree) -> Decision:
    """Two ratios with one proportion, or a ratio of two and its value; times of day are no ratios."""
    ratio, other = (gold, answer) if gold.shape is Shape.RATIO else (answer, gold)
    if other.shape is not Shape.RATIO:
        if other.shape is not Shape.SCALAR or len(ratio.items) != 2 or ratio.label or ratio.unit or other.unit:
            return False, f"a {answer.shape} where the gold answer is a {gold.shape}"
        top, bottom = (item.node for item in ratio.items)
        if top is None or bottom is None or other.node is None:
            return False, "a ratio and a value"
        return same_value(("div", top, bottom), other.node), "the value of the ratio"
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return False, "different units"
    if gold.label != answer.label:
        return False, "a time and a ratio"
    if (exactly := in_order(gold.items, answer.items, agree))[0] or gold.label or gold.unit or _like_a_time(gold):
        return exactly
    return _proportional(gold.items, answer.items)


def _like_a_time(ratio: Form) -> bool:
    """ "4:30" may be one: minutes of two digits."""
    values = [exact(item.node) if item.node else None for item in ratio.items]
    if len(values) != 2 or values[0] is None or values[1] is None:
        return False
    return values[0] <= 24 and 10 <= values[1] < 60 and values[1] % 5 == 0 and values[0] > 0


def _proportional(gold: tuple[Form, ...], answer: tuple[Form, ...]) -> Decision:
    values = [[exact(item.node) if item.node else None for item in items] for items in (gold, answer)]
    ours, theirs = values
    if len(ours) != len(theirs) or not all(ours) or not all(theirs):
        return False, "different ratios"
    quotients = {b / a for a, b in zip(ours, theirs, strict=True) if a and b}
    same = len(quotients) == 1 and min(quotients) > 0
    return same, "the same ratio" if same else "different ratios"


def vectors(gold: Form, answer: Form, agree: Agree) -> Decision:
    """A matrix of one column or row, or a sum of unit vectors, and a tuple are the same vector."""
    vector, matrix = (gold, answer) if gold.shape is Shape.TUPLE else (answer, gold)
    parts = _entries(matrix, len(vector.items))
    if vector.label != "()" or matrix.label or len(parts) != len(vector.items):
        return False, "a matrix and a tuple"
    return in_order(vector.items, parts, agree)


def in_order(gold: tuple[Form, ...], answer: tuple[Form, ...], agree: Agree) -> Decision:
    if len(gold) != len(answer):
        return False, "different number of parts"
    unsure = False
    for g, a in zip(gold, answer, strict=True):
        same, _ = agree(g, a)
        if same is False:
            return False, "a part differs"
        unsure |= same is None
    return (None, "a part cannot be decided") if unsure else (True, "all parts agree")


_UNITS: tuple[Node, ...] = (("const", "i"), ("sym", "j"), ("sym", "k"))


def is_unit_sum(form: Form) -> bool:
    """``2i + 5j`` with numbers before the unit vectors; a complex number has no j."""
    if form.shape is not Shape.SCALAR or form.node is None or form.unit or form.percent:
        return False
    return bool(symbols(form.node)) and symbols(form.node) <= {"j", "k"}


def _entries(form: Form, count: int) -> tuple[Form, ...]:
    """The entries of a vector: of one row or column, or the factors of its unit vectors."""
    if form.node is None:
        rows = [row.items for row in form.items]
        return rows[0] if len(rows) == 1 else tuple(row[0] for row in rows if len(row) == 1)
    numbers = [_at(form.node, place) for place in range(-1, count)] + [_at(form.node, len(_UNITS))]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or count > len(_UNITS) or known[0] != 0 or sum(known[1:-1]) != known[-1]:
        return ()
    return tuple(Form(Shape.SCALAR, ("num", number)) for number in known[1:-1])


def _at(node: Node, place: int) -> Fraction | None:
    """The value where only the unit vector of that place is 1 (-1: none, 3: all)."""
    return exact(_put(node, place))


def _put(node: Node, place: int) -> Node:
    if node in _UNITS:
        return ("num", Fraction(place in (_UNITS.index(node), len(_UNITS))))
    return (node[0], *(_put(child, place) if isinstance(child, tuple) else child for child in node[1:]))
