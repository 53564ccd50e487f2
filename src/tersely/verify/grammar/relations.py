"""Equations, inequalities and chains: when two of them, or one and a value or a set, say the same."""

from __future__ import annotations

from collections.abc import Callable

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.identities import constant_ratio, same_value
from tersely.verify.grammar.renaming import same_family
from tersely.verify.grammar.rounding import approximates
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.tokens import Node

Decision = tuple[bool | None, str]
Agree = Callable[[Form, Form], Decision]
"""Compares two parts (``equality.equal``, handed in because it needs this module)."""

_INFINITY: Node = ("const", "inf")
_FLIP = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "=": "=", "\\ne": "\\ne"}


def compare_relations(gold: Form, answer: Form, agree: Agree) -> Decision:
    """Two answers of which at least one is a relation; ``agree`` compares their parts."""
    if gold.shape is Shape.RELATION and answer.shape is Shape.RELATION:
        return _two_relations(gold, answer, agree)
    relation, other = (gold, answer) if gold.shape is Shape.RELATION else (answer, gold)
    ops = relation.label.split()
    if set(ops) <= {"=", "\\approx"}:
        unsolved = relation is gold and not _of_lengths(relation.items[0])
        value = None if unsolved and _is_asked(relation) else _value_of(relation, agree)
        if value is None:
            return False, "an equation where a value is asked for" if relation is answer else "a value for an equation"
        return agree(value, other) if relation is gold else agree(other, value)
    if other.shape in (Shape.TUPLE, Shape.UNION):
        return _inequality_and_set(relation, other, agree)
    return False, "a relation and a value"


def _value_of(relation: Form, agree: Agree) -> Form | None:
    """The value stated by ``x = v``, ``f(x) = v``, ``Area = v``, ``(x, y) = (1, 2)`` or a chain that holds."""
    sides, ops = list(relation.items), relation.label.split()
    if is_name(sides[-1]) and not is_name(sides[0]):  # "5 = x"
        sides, ops = sides[::-1], ops[::-1]
    if _is_asked(relation):
        return sides[-1]
    while len(sides) > 1 and is_name(sides[0]):
        if symbols_of(sides[0]) & frozenset().union(*(symbols_of(side) for side in sides[1:])):
            return None
        sides, ops = sides[1:], ops[1:]
    for left, right, op in zip(sides, sides[1:], ops, strict=False):
        if not (approximates(left, right) if op == "\\approx" else agree(left, right)[0]):
            return None
    return sides[ops.index("\\approx")] if "\\approx" in ops else sides[-1]


def _is_asked(relation: Form) -> bool:
    return relation.label == "=" and _asked(*relation.items)


def _of_lengths(form: Form) -> bool:
    """Whether only capitals stand there, as of sides and volumes: a gold ``x^2 + y^2 = 4`` is a curve, not 4."""
    return all(name[:1].isupper() for name in symbols_of(form))


def _asked(left: Form, right: Form) -> bool:
    """Whether the left of an equation is what was asked for ("m+n", "AC^2", "\\sin B", "V_1:V_2") and no unsolved rest.

    An equation in one variable ("2x = 10", "x + 1 = 2") is still to be solved.
    """
    names = symbols_of(left)
    if not names or names & symbols_of(right) or any(part.node is None for part in (*left.items, *right.items)):
        return False
    if left.shape is Shape.RATIO or left.node is None:
        return left.shape is right.shape is Shape.RATIO
    return len(names) > 1 or _is_measured(left.node)


def _is_measured(node: Node) -> bool:
    """A function of a variable ("\\sin B"), or a name of capitals or a sigma in a power."""
    if node[0] == "pow":
        return bool(node[1][0] == "sym" and (node[1][1][:1].isupper() or node[1][1] == "\\sigma"))
    return bool(node[0] == "fn" and node[2][0] == "sym")


def is_name(form: Form) -> bool:
    """A lone variable, ``f(x)``, a name such as "Area", or a tuple of them: what may stand left of a value."""
    if form.shape is Shape.TUPLE:
        return all(is_name(item) for item in form.items)
    if form.shape is Shape.TEXT:
        return form.label.startswith(("name:", "f:"))
    return form.shape is Shape.SCALAR and form.node is not None and form.node[0] == "sym"


def symbols_of(form: Form) -> frozenset[str]:
    """Variables anywhere in a form."""
    own = symbols(form.node) if form.node is not None else frozenset()
    return own.union(*(symbols_of(item) for item in form.items))


def _two_relations(gold: Form, answer: Form, agree: Agree) -> Decision:
    for other in (answer, _reversed(answer)):
        same_shape = gold.label == other.label and len(gold.items) == len(other.items)
        if same_shape and all(agree(g, a)[0] for g, a in zip(gold.items, other.items, strict=True)):
            return True, "same sides"
    if _two_families(gold, answer, agree):
        return True, "equal but for the names of constants"
    labels = [form.items[0].label for form in (gold, answer)]
    if any(label.startswith("f:") for label in labels) and "" in labels and gold.label == answer.label == "=":
        # "f(x) = v" and "y = v"
        names = all(is_name(form.items[0]) for form in (gold, answer))
        return agree(gold.items[-1], answer.items[-1]) if names else (False, "different relations")
    ours, theirs = as_interval(gold), as_interval(answer)
    if ours and theirs and len(symbols_of(gold) | symbols_of(answer)) == 1 and agree(ours, theirs)[0]:
        return True, "the same set"
    if len(gold.items) != 2 or len(answer.items) != 2:
        chain = gold.label.split() + answer.label.split()
        return _chains(gold, answer, agree) if set(chain) <= {"=", "\\approx"} else (False, "different relations")
    return _two_sided(gold, answer)


_SOUGHT = ("sym", "y"), ("sym", "u")


def _two_families(gold: Form, answer: Form, agree: Agree) -> bool:
    """Whether ``y = Ce^{3x}`` and ``y = Ae^{3x}`` are one family: on the left stands a function that is sought."""
    if gold.label != "=" or answer.label != "=" or not agree(gold.items[0], answer.items[0])[0]:
        return False
    left, ours, theirs = gold.items[0], gold.items[1].node, answer.items[1].node
    sought = left.node in _SOUGHT or left.label.startswith("f:")
    return sought and ours is not None and theirs is not None and same_family(ours, theirs)


def _chains(gold: Form, answer: Form, agree: Agree) -> Decision:
    """``x = a = b`` against ``x = b``: the same name and values that agree."""
    if not (is_name(gold.items[0]) and is_name(answer.items[0])):
        return False, "different relations"
    if not agree(gold.items[0], answer.items[0])[0]:
        return False, "different variables"
    left, right = _value_of(gold, agree), _value_of(answer, agree)
    return agree(left, right) if left and right else (False, "a chain that does not hold")


def _reversed(relation: Form) -> Form:
    ops = relation.label.split()
    label = " ".join(_FLIP.get(op, op) for op in reversed(ops))
    return Form(Shape.RELATION, items=tuple(reversed(relation.items)), label=label)


def _two_sided(gold: Form, answer: Form) -> Decision:
    nodes = [side.node for side in (*gold.items, *answer.items)]
    a, b, c, d = nodes
    if any(side.unit or side.percent for side in (*gold.items, *answer.items)):
        return False, "different relations"
    if a is None or b is None or c is None or d is None:
        return False, "different relations"
    ops = gold.label, answer.label
    if ops == ("=", "=") or ops == ("\\ne", "\\ne"):
        same = constant_ratio(("sub", a, b), ("sub", c, d))
        return same, "same equation" if same else "different equations"
    for first, second, op in ((c, d, answer.label), (d, c, _FLIP.get(answer.label, ""))):
        if op != gold.label:
            continue
        if same_value(("sub", a, b), ("sub", first, second)):
            return True, "same inequality"
    return False, "different relations"


def _inequality_and_set(relation: Form, other: Form, agree: Agree) -> Decision:
    """``x <= 3`` against ``(-inf, 3]``, ``1 < x < 2`` against ``(1, 2)``."""
    interval = as_interval(relation)
    if interval is None:
        return None, "an inequality and a set"
    return agree(interval, other)


def both(first: Form, second: Form) -> Form | None:
    """``1 < x < 2`` for "x > 1 and x < 2", whatever the bounds; None unless one bounds a name from each side."""
    bounds: dict[bool, tuple[str, Form]] = {}
    names = []
    for relation in (first, second):
        if len(relation.items) != 2 or relation.label not in ("<", ">", "\\le", "\\ge"):
            return None
        if not is_name(relation.items[0]):
            relation = _reversed(relation)
        names.append(relation.items[0])
        above = relation.label in ("<", "\\le")
        bounds[above] = (relation.label if above else _FLIP[relation.label], relation.items[1])
    if len(bounds) < 2 or names[0] != names[1] or not is_name(names[0]):
        return None
    (low_op, low), (high_op, high) = bounds[False], bounds[True]
    return Form(Shape.RELATION, items=(low, names[0], high), label=f"{low_op} {high_op}")


def as_interval(relation: Form) -> Form | None:
    """The interval (or union) that an inequality of a lone variable describes, else None."""
    ops, sides = relation.label.split(), relation.items
    if ops == ["\\ne"] and is_name(sides[0]):
        ends = (("neg", _INFINITY), sides[1].node), (sides[1].node, _INFINITY)
        halves = [Form(Shape.TUPLE, items=tuple(Form(Shape.SCALAR, n) for n in pair), label="()") for pair in ends]
        return Form(Shape.UNION, items=tuple(halves))
    if ops[0] in (">", "\\ge"):
        relation = _reversed(relation)
        ops, sides = relation.label.split(), relation.items
    if not set(ops) <= {"<", "\\le"}:
        return None
    inside = sides[0].node
    if len(sides) == 2 and inside is not None and inside[0] == "abs" and inside[1][0] == "sym" and sides[1].node:
        label = "()" if ops[0] == "<" else "[]"  # |x| < c
        return Form(Shape.TUPLE, items=(Form(Shape.SCALAR, ("neg", sides[1].node)), sides[1]), label=label)
    infinite = Form(Shape.SCALAR, _INFINITY)
    minus = Form(Shape.SCALAR, ("neg", _INFINITY))
    if len(sides) == 3 and is_name(sides[1]):
        label = ("(" if ops[0] == "<" else "[") + (")" if ops[1] == "<" else "]")
        return Form(Shape.TUPLE, items=(sides[0], sides[2]), label=label)
    if len(sides) == 2 and is_name(sides[0]):
        return Form(Shape.TUPLE, items=(minus, sides[1]), label="(" + (")" if ops[0] == "<" else "]"))
    if len(sides) == 2 and is_name(sides[1]):
        return Form(Shape.TUPLE, items=(sides[0], infinite), label=("(" if ops[0] == "<" else "[") + ")")
    return None
