"""Names that are free to choose: constants of integration and integer parameters of a family of solutions."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import permutations

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.identities import constant_difference, same_value
from tersely.verify.grammar.tokens import Node

_CONSTANT = re.compile(r"[Cc](?:_\d)?")
_OTHER_CONSTANT = re.compile(r"[CcKkABD](?:_\d)?")
_PARAMETERS = frozenset("klmnj")
MAX_NAMES = 3


def same_but_for_names(gold: Node, answer: Node) -> bool:
    """Whether the two agree when the free names of one are replaced by those of the other, one for one."""
    ours, theirs = symbols(gold), symbols(answer)
    old, new = sorted(theirs - ours), sorted(ours - theirs)
    if not 0 < len(old) == len(new) <= MAX_NAMES or not _free(gold, answer, new, old):
        return False
    return any(
        same_value(gold, _renamed(answer, dict(zip(old, order, strict=True)))) is True for order in permutations(new)
    )


def _free(gold: Node, answer: Node, ours: list[str], theirs: list[str]) -> bool:
    """Integer parameters beside nothing but pi, or constants of integration beside a variable."""
    if len(ours) == 1 and {*ours, *theirs} <= _PARAMETERS:
        return symbols(gold) == {*ours} and _mentions(gold, ("const", "pi"))
    if [name.lower() for name in ours] == [name.lower() for name in theirs]:
        return all(map(_CONSTANT.fullmatch, ours)) and bool(symbols(gold) & symbols(answer))
    one, other = (ours, theirs) if all(map(_CONSTANT.fullmatch, ours)) else (theirs, ours)
    names = all(map(_CONSTANT.fullmatch, one)) and all(map(_OTHER_CONSTANT.fullmatch, other))
    shared = symbols(gold) & symbols(answer)
    return names and bool(shared) and all(_added(tree, {*ours, *theirs}) for tree in (gold, answer))


def same_family(gold: Node, answer: Node) -> bool:
    """Whether two solutions in x or t are one family when free constants, factors of their terms, are renamed."""
    ours, theirs = symbols(gold), symbols(answer)
    new, old = sorted(ours - theirs), sorted(theirs - ours)
    if ours & theirs not in ({"x"}, {"t"}) or not 0 < len(old) == len(new) <= MAX_NAMES:
        return False
    if not all(map(_CONSTANT.fullmatch, new)) or not all(map(_OTHER_CONSTANT.fullmatch, old)):
        return False
    terms = [term for tree in (gold, answer) for term in _terms(tree)]
    if not all(_factor(term, name) for term in terms for name in (*old, *new)):
        return False
    return any(
        same_value(gold, _renamed(answer, dict(zip(old, order, strict=True)))) is True for order in permutations(new)
    )


def same_but_for_constant(gold: Node, answer: Node) -> bool:
    """Whether both are families ``f(x) + C`` whose members differ by a number, which the constant takes up."""
    names = symbols(gold)
    if "C" not in names or len(names) < 2 or names != symbols(answer):
        return False
    ours, theirs = (_without_constant(tree) for tree in (gold, answer))
    return ours is not None and theirs is not None and constant_difference(ours, theirs)


def _without_constant(node: Node) -> Node | None:
    """The tree with 0 for a ``C`` that is added to the rest and stands nowhere else; None without one."""
    terms = _terms(node)
    free = [term for term in terms if term in (("sym", "C"), ("neg", ("sym", "C")))]
    if len(free) != 1 or sum("C" in symbols(term) for term in terms) != 1:
        return None
    return _replaced(node, ("sym", "C"), ("num", Fraction(0)))


def _replaced(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    return (node[0], *(_replaced(child, old, new) if isinstance(child, tuple) else child for child in node[1:]))


def _added(node: Node, names: set[str]) -> bool:
    """Whether the tree is a sum in which each of these names stands in a term of its own, as a factor of it."""
    terms = _terms(node)
    inside = [symbols(term) & names for term in terms]
    alone = all(len(found) <= 1 for found in inside)
    return len(terms) > 1 and alone and all(_factor(term, name) for term in terms for name in names)


def _terms(node: Node) -> list[Node]:
    if node[0] in ("add", "sub"):
        return [*_terms(node[1]), *_terms(node[2])]
    return [node]


def _factor(node: Node, name: str) -> bool:
    """Whether a name stands in a term only as a factor of it or of its numerator: never inside a power or function."""
    if node == ("sym", name) or name not in symbols(node):
        return True
    if node[0] == "neg":
        return _factor(node[1], name)
    if node[0] == "div":
        return name not in symbols(node[2]) and _factor(node[1], name)
    return node[0] == "mul" and all(_factor(child, name) for child in node[1:])


def _mentions(node: Node, wanted: Node) -> bool:
    return node == wanted or any(_mentions(child, wanted) for child in node[1:] if isinstance(child, tuple))


def _renamed(node: Node, names: dict[str, str]) -> Node:
    if node[0] == "sym":
        return ("sym", names.get(node[1], node[1]))
    return (node[0], *(_renamed(child, names) if isinstance(child, tuple) else child for child in node[1:]))
