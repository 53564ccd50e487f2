"""Do two final answers agree? Decided by shape and by exact or high-precision values, without sympy.

``equal(gold, answer)`` gives True, False or None (cannot say) with a reason. Policies, all of them symmetric in what
a policy could gain:

- Numbers are compared exactly; irrational ones at 50 digits and more. One side typed as a decimal agrees with the
  other if it has six significant digits or more and is that value rounded (or cut) to its digits.
- Percent: ``n%`` agrees with n and with n/100 where the other side has no percent sign.
- A unit on one side is ignored, two units must be the same (``units``).
- A list typed without brackets has no order, except against a tuple, of words, and where one side alone says which
  value belongs to which name. Tuples and intervals keep order and brackets; a set never agrees with a tuple.
- ``x = 5`` agrees with 5, not with ``y = 5``. A chain ``x = a = b`` agrees only if its values agree among themselves.
  A relation without a lone variable or name on its left is no value, unless both its sides are the gold value.
- Equations agree if one is a number times the other. ``x < 3`` agrees with ``(-inf, 3)``.
- Two inequalities joined by "and" are their intersection, by "or" or a comma their union. Names must be the same:
  ``AB = 5`` is not ``CD = 5``.
- Variables are real; an identity must hold wherever one side is real.
- ``3:4`` is neither ``4:3`` nor ``6:8``; digits in two different bases differ; text is compared by its words without
  case and leading article; a whole number below 1,000 may be written in words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import floor, log10

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.identities import same_value
from tersely.verify.grammar.numerals import number_word
from tersely.verify.grammar.relations import Decision, as_interval, compare_relations, is_name
from tersely.verify.grammar.scalars import ALL_OF, UNORDERED, Form, Shape
from tersely.verify.grammar.tokens import Node
from tersely.verify.grammar.values import Numeric, context, exact

MIN_DIGITS = 6
"""Significant digits from which a decimal may stand for a value it only approximates."""
MAX_PAIRED = 40
"""Members of two lists that are compared each with each."""
SEVERAL = "several answers"


def equal(gold: Form, answer: Form) -> Decision:
    """Whether ``answer`` agrees with ``gold``. May raise Unparsed or Refused from the values."""
    gold, answer = _unwrap(gold, answer)
    pair = (gold.shape, answer.shape)
    if Shape.RELATION in pair:
        return compare_relations(gold, answer, equal)
    if pair == (Shape.SCALAR, Shape.SCALAR):
        return _scalars(gold, answer)
    if pair == (Shape.TEXT, Shape.TEXT):
        same = _synonym(gold.label) == _synonym(answer.label)
        return same, "same words" if same else "different words"
    if Shape.BASED in pair:
        return _based(gold, answer)
    if pair == (Shape.MATRIX, Shape.MATRIX) or pair == (Shape.RATIO, Shape.RATIO):
        if gold.unit and answer.unit and gold.unit != answer.unit:
            return False, "different units"
        if gold.label != answer.label:
            return False, "a time and a ratio"
        return _in_order(gold.items, answer.items)
    if pair == (Shape.TUPLE, Shape.TUPLE):
        if gold.label != answer.label:
            return False, "different brackets"
        return _in_order(gold.items, answer.items)
    if set(pair) <= {Shape.LIST, Shape.SET, Shape.UNION, Shape.TUPLE, Shape.SCALAR}:
        return _collections(gold, answer)
    if Shape.TEXT in pair and Shape.SCALAR in pair:
        return _letter_text(gold, answer)
    return False, f"a {answer.shape} where the gold answer is a {gold.shape}"


_SYNONYMS = {"no solutions": "no solution", "none": "no solution", "empty set": "no solution"}


def _synonym(label: str) -> str:
    return _SYNONYMS.get(label, label)


def _unwrap(gold: Form, answer: Form) -> tuple[Form, Form]:
    """A collection of one thing is that thing, where the other side is no collection."""
    collections = (Shape.LIST, Shape.SET)
    if any(form.shape is Shape.SET and form.items[0].shape is Shape.TEXT for form in (gold, answer)):
        return gold, answer  # the set that holds the empty set, or a word, is not that thing
    if answer.shape in collections and len(answer.items) == 1 and gold.shape not in collections:
        answer = answer.items[0]
    if gold.shape in collections and len(gold.items) == 1 and answer.shape not in collections:
        gold = gold.items[0]
    return gold, answer


def _letter_text(gold: Form, answer: Form) -> Decision:
    """A lone letter typed as text and as mathematics."""
    text, scalar = (gold, answer) if gold.shape is Shape.TEXT else (answer, gold)
    if scalar.node is None:
        return False, "text and a value"
    if (named := number_word(text.label)) is not None and scalar.node[0] == "num":
        return named == scalar.node[1], "a number in words"
    same = scalar.node[0] == "sym" and scalar.node[1] == text.label
    if text.node is not None:
        same = same_value(text.node, scalar.node) is True
    return same, "same letters" if same else "text and a value"


def _typed_unit(node: Node | None) -> str:
    """The unit of ``12 m^2`` typed as a product, "m^2"; "" where there is none."""
    if node is None or node[0] != "mul":
        return ""
    power = node[2][2] if node[2][0] == "pow" else ("num", Fraction(1))
    letter = node[2][1] if node[2][0] == "pow" else node[2]
    if letter[0] != "sym" or power[0] != "num":
        return ""
    return str(letter[1]) if power[1] == 1 else f"{letter[1]}^{power[1]}"


def _scalars(gold: Form, answer: Form) -> Decision:
    if gold.unit and not answer.unit and _typed_unit(answer.node) == gold.unit and answer.node is not None:
        answer = replace(answer, node=answer.node[1], unit=gold.unit)
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return False, f"different units: {gold.unit} and {answer.unit}"
    if gold.percent != answer.percent and (gold.unit or answer.unit):
        return False, "a percentage and a unit"
    same, reason = _values(gold, answer)
    if same is False and gold.percent != answer.percent:
        percent, plain = (gold, answer) if gold.percent else (answer, gold)
        hundredth: Node = ("div", percent.node, ("num", Fraction(100)))
        if plain.node is not None and same_value(hundredth, plain.node):
            return True, "equal as percent"
    return same, reason


def _values(gold: Form, answer: Form) -> Decision:
    a, b = gold.node, answer.node
    assert a is not None
    assert b is not None
    if a == b:
        _defined(a)
        return True, "equal expressions"
    same = same_value(a, b)
    if same is False and _rounded(gold, answer):
        return True, "equal to the digits given"
    if same is None:
        return None, "values agree at some points only"
    return same, "equal values" if same else "different values"


def _defined(node: Node) -> None:
    """Raise Refused where a tree without variables has no value (0/0)."""
    if not symbols(node) and exact(node) is None:
        ctx = context()
        ctx.dps = 20
        Numeric(ctx, {}).of(node)


def _rounded(gold: Form, answer: Form) -> bool:
    """True where the side typed as a decimal is the other value rounded or cut to at least six digits."""
    for short, other in ((answer, gold), (gold, answer)):
        if short.digits is None or short.digits < MIN_DIGITS or short.node is None or other.node is None:
            continue
        if other.digits is not None and other.digits <= short.digits:
            continue
        value = exact(short.node)
        if value is None or value == 0 or symbols(other.node) or (other.digits is None and _terminates(other.node)):
            continue
        ctx = context()
        ctx.dps = 40
        exact_value = Numeric(ctx, {}).of(other.node)
        unit = ctx.mpf(10) ** (floor(log10(abs(value))) - short.digits + 1)
        typed = ctx.mpf(value.numerator) / value.denominator
        if abs(exact_value - typed) <= unit * (0.5 + 1e-9) or 0 <= (abs(exact_value) - abs(typed)) < unit:
            return True
    return False


def _terminates(node: Node) -> bool:
    """True for a rational number with a finite decimal expansion: nothing to round."""
    value = exact(node)
    if value is None:
        return False
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return bottom == 1


def _based(gold: Form, answer: Form) -> Decision:
    if gold.shape is answer.shape:
        same = gold.label == answer.label
        return same, "same digits and base" if same else "different digits or base"
    based, other = (gold, answer) if gold.shape is Shape.BASED else (answer, gold)
    if other.node is None or other.node[0] != "num":
        return False, "a number in a base and something else"
    digits, _, base = based.label.rpartition("_")
    same = (based is gold or base == "10") and digits == str(other.node[1])
    return same, "same digits, base left out" if same else "different digits or a base that is not asked for"


def _in_order(gold: tuple[Form, ...], answer: tuple[Form, ...]) -> Decision:
    if len(gold) != len(answer):
        return False, "different number of parts"
    unsure = False
    for g, a in zip(gold, answer, strict=True):
        same, _ = equal(g, a)
        if same is False:
            return False, "a part differs"
        unsure |= same is None
    return (None, "a part cannot be decided") if unsure else (True, "all parts agree")


def _collections(gold: Form, answer: Form) -> Decision:
    if gold.shape is Shape.SCALAR or (
        gold.shape is Shape.TUPLE and answer.shape is Shape.LIST and not _pair(gold, answer)
    ):
        several = answer.shape is Shape.LIST and len(answer.items) > 1
        return False, SEVERAL if several else f"a {answer.shape} where the gold answer is a {gold.shape}"
    shapes = {gold.shape, answer.shape}
    if Shape.UNION in shapes and Shape.TUPLE in shapes:
        return None, "a union and an interval"
    if Shape.TUPLE in shapes:
        if (
            shapes == {Shape.TUPLE, Shape.LIST}
            and "()" in (gold.label, answer.label)
            and UNORDERED not in (gold.label, answer.label)
        ):
            return _in_order(_by_name(gold), _by_name(answer))
        return False, f"a {answer.shape} where the gold answer is a {gold.shape}"
    if shapes == {Shape.UNION, Shape.LIST}:
        return _union_and_list(gold, answer)
    if Shape.UNION in shapes and len(shapes) > 1:
        return None, "a union and another form"
    if Shape.SCALAR in shapes:
        return False, f"a {answer.shape} where the gold answer is a {gold.shape}"
    if shapes == {Shape.LIST} and (_names_values(gold) != _names_values(answer) or (_worded(gold) and _worded(answer))):
        return _in_order(_by_name(gold), _by_name(answer))
    return _unordered(gold.items, answer.items)


def _names_values(form: Form) -> bool:
    """True for "x = 1, y = 2": values of different things, which have an order ("x_1 = 1, x_2 = 2" are two roots)."""
    lefts = [item.items[0] for item in form.items if item.shape is Shape.RELATION and item.label == "="]
    if len(lefts) < len(form.items) or not all(is_name(left) for left in lefts):
        return False
    return len({left.node[1].partition("_")[0] if left.node else left.label for left in lefts}) > 1


def _worded(form: Form) -> bool:
    return all(item.shape is Shape.TEXT and len(item.label) > 1 for item in form.items)


def _union_and_list(gold: Form, answer: Form) -> Decision:
    """ "x < 1 or x > 2" against a union of intervals."""
    union, listed = (gold, answer) if gold.shape is Shape.UNION else (answer, gold)
    parts = [as_interval(item) if item.shape is Shape.RELATION else None for item in listed.items]
    if None in parts or listed.label == ALL_OF:
        return False, "a union and a list"
    return _unordered(union.items, tuple(part for part in parts if part is not None))


def _by_name(form: Form) -> tuple[Form, ...]:
    """ "y = 4, x = 3" in the order of the names, as the places of a tuple are; other members as they stand."""
    names = [item.items[0].node for item in form.items if item.shape is Shape.RELATION and is_name(item.items[0])]
    if len(names) < len(form.items) or None in names:
        return form.items
    return tuple(sorted(form.items, key=lambda item: str(item.items[0].node)))


def _pair(gold: Form, answer: Form) -> bool:
    return gold.label == "()" and len(gold.items) == len(answer.items)


def _unordered(gold: tuple[Form, ...], answer: tuple[Form, ...]) -> Decision:
    """Each gold member matched by one of the answer and none left over."""
    if len(gold) != len(answer):
        return False, "different number of members"
    # Members read alike first: long lists must not cost a comparison for each pair.
    alike = Counter(gold) & Counter(answer)
    rest = list((Counter(gold) - alike).elements())
    left = list((Counter(answer) - alike).elements())
    if len(rest) > MAX_PAIRED:
        return False, "many members differ"
    for g in rest:
        index = next((i for i, a in enumerate(left) if equal(g, a)[0]), None)
        if index is None:
            return False, "a member is missing"
        left.pop(index)
    return True, "same members"
