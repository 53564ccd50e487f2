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
- ``3:4`` is not ``4:3`` but ``6:8`` and ``3/4``; a time of day is no ratio. Digits in two different bases differ;
  text is compared by its words without case and leading article; a whole number below 1,000 may be written in words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

from tersely.verify.grammar.compounds import congruences, in_order, is_unit_sum, ratios, vectors
from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.identities import same_value
from tersely.verify.grammar.numerals import fraction_word, number_word, ordinal_word
from tersely.verify.grammar.relations import Decision, as_interval, compare_relations, is_name
from tersely.verify.grammar.renaming import same_but_for_constant, same_but_for_names
from tersely.verify.grammar.rounding import rounded
from tersely.verify.grammar.scalars import ALL_OF, ANY_OF, UNORDERED, Form, Shape, worded
from tersely.verify.grammar.tokens import Node
from tersely.verify.grammar.typed import typed_unit
from tersely.verify.grammar.values import Numeric, context, exact

MAX_PAIRED = 40
"""Members of two lists that are compared each with each."""
SEVERAL = "several answers"


def equal(gold: Form, answer: Form) -> Decision:
    """Whether ``answer`` agrees with ``gold``. May raise Unparsed or Refused from the values."""
    gold, answer = _unwrap(gold, answer)
    pair = (gold.shape, answer.shape)
    if gold.condition and answer.condition and _differ(gold.condition, answer.condition):
        return False, "different conditions"
    if Shape.CONGRUENCE in pair:
        return congruences(gold, answer, equal)
    if Shape.RELATION in pair:
        return compare_relations(gold, answer, equal)
    if pair == (Shape.SCALAR, Shape.SCALAR):
        return _scalars(gold, answer)
    if pair == (Shape.TEXT, Shape.TEXT):
        same = _synonym(gold.label) == _synonym(answer.label)
        return same, "same words" if same else "different words"
    if Shape.BASED in pair:
        return _based(gold, answer)
    if Shape.RATIO in pair:
        return ratios(gold, answer, equal)
    if pair in ((Shape.MATRIX, Shape.TUPLE), (Shape.TUPLE, Shape.MATRIX)) or _unit_vectors(gold, answer):
        return vectors(gold, answer, equal)
    if pair == (Shape.MATRIX, Shape.MATRIX):
        if gold.label != answer.label:
            return False, "a matrix and cases"
        return _parts(gold.items, answer.items)
    if pair == (Shape.TUPLE, Shape.TUPLE):
        if gold.label != answer.label:
            return False, "different brackets"
        return _parts(gold.items, answer.items)
    if set(pair) <= {Shape.LIST, Shape.SET, Shape.UNION, Shape.TUPLE, Shape.SCALAR}:
        return _collections(gold, answer)
    if Shape.TEXT in pair and Shape.SCALAR in pair:
        return _letter_text(gold, answer)
    return False, f"a {answer.shape} where the gold answer is a {gold.shape}"


def _unit_vectors(gold: Form, answer: Form) -> bool:
    """Whether a tuple meets a sum of unit vectors."""
    return {gold.shape, answer.shape} == {Shape.TUPLE, Shape.SCALAR} and any(map(is_unit_sum, (gold, answer)))


def _differ(one: str, other: str) -> bool:
    """Whether two side conditions say different things; which letter is a whole number is none of them."""
    return one != other and not all("\\in\\mathbb{Z}" in condition for condition in (one, other))


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
    if (
        answer.shape is Shape.LIST
        and answer.label == ANY_OF
        and gold.shape is Shape.SCALAR
        and _one_value(answer.items)
    ):
        answer = answer.items[0]
    if gold.shape in collections and len(gold.items) == 1 and answer.shape not in collections:
        gold = gold.items[0]
    return gold, answer


def _one_value(items: tuple[Form, ...]) -> bool:
    """Whether a list says one value again and again, as in "1/4 or 0.25"."""
    return all(item.shape is Shape.SCALAR for item in items) and all(_scalars(items[0], i)[0] for i in items[1:])


def _letter_text(gold: Form, answer: Form) -> Decision:
    """A lone letter typed as text and as mathematics."""
    text, scalar = (gold, answer) if gold.shape is Shape.TEXT else (answer, gold)
    if scalar.node is None:
        return False, "text and a value"
    if scalar.node[0] == "num":
        named = number_word(text.label), ordinal_word(text.label), fraction_word(text.label)
        if any(value is not None for value in named):
            return scalar.node[1] in named, "a number in words"
        if (count := worded(text.label)) is not None:
            return _scalars(*((count, scalar) if text is gold else (scalar, count)))
        if text.node is not None and text.node[0] == "num":  # the day of a date
            return text is answer and _scalars(scalar, Form(Shape.SCALAR, text.node))[0], "the day of a date"
    same = scalar.node[0] == "sym" and scalar.node[1] == text.label
    if text.node is not None:
        same = same_value(text.node, scalar.node) is True
    return same, "same letters" if same else "text and a value"


def _scalars(gold: Form, answer: Form) -> Decision:
    if gold.unit and not answer.unit and answer.node is not None:
        value, unit = typed_unit(answer.node)
        answer = replace(answer, node=value, unit=unit) if unit == gold.unit else answer
    if gold.unit and answer.unit and gold.unit != answer.unit and {gold.unit, answer.unit} != {"cent", "dollar"}:
        return False, f"different units: {gold.unit} and {answer.unit}"
    if gold.percent != answer.percent and (gold.unit or answer.unit):
        return False, "a percentage and a unit"
    if {gold.unit, answer.unit} <= {"", "dollar", "cent"} and "cent" in (gold.unit, answer.unit) != ("cent", "cent"):
        return _money(gold, answer)
    same, reason = _values(gold, answer)
    if same and answer.percent and not gold.percent and _at_most_one(gold.node):
        same, reason = False, "a percentage and a proportion"
    if same is False and gold.percent != answer.percent:
        percent, plain = (gold, answer) if gold.percent else (answer, gold)
        hundredth: Node = ("div", percent.node, ("num", Fraction(100)))
        if plain.node is not None and same_value(hundredth, plain.node):
            return True, "equal as percent"
    return same, reason


def _at_most_one(node: Node | None) -> bool:
    value = exact(node) if node is not None else None
    return value is not None and 0 < abs(value) <= 1


def _money(gold: Form, answer: Form) -> Decision:
    """Cents and dollars, or cents and a plain number: an amount in either, where a proportion of one is in dollars."""
    cents, other = (gold, answer) if gold.unit == "cent" else (answer, gold)
    if other.unit == "" and not (cents is answer and _at_most_one(gold.node)):
        same, reason = _values(gold, answer)
        if same:
            return same, reason
    hundredth: Node = ("div", cents.node, ("num", Fraction(100)))
    same = other.node is not None and same_value(hundredth, other.node) is True
    return same, "the same amount" if same else "different amounts"


def _values(gold: Form, answer: Form) -> Decision:
    a, b = gold.node, answer.node
    assert a is not None
    assert b is not None
    if a == b:
        _defined(a)
        return True, "equal expressions"
    same = same_value(a, b)
    if same is False and rounded(gold, answer):
        return True, "equal to the digits given"
    if same is False and symbols(a) != symbols(b) and same_but_for_names(a, b):
        return True, "equal but for the names of constants"
    if same is False and same_but_for_constant(a, b):
        return True, "equal but for the constant of integration"
    if same is None:
        return None, "values agree at some points only"
    return same, "equal values" if same else "different values"


def _defined(node: Node) -> None:
    """Raise Refused where a tree without variables has no value (0/0)."""
    if not symbols(node) and exact(node) is None:
        ctx = context()
        ctx.dps = 20
        Numeric(ctx, {}).of(node)


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


def _parts(gold: tuple[Form, ...], answer: tuple[Form, ...]) -> Decision:
    return in_order(gold, answer, equal)


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
            return _parts(_by_name(gold), _by_name(answer))
        return False, f"a {answer.shape} where the gold answer is a {gold.shape}"
    if shapes == {Shape.UNION, Shape.LIST}:
        return _union_and_list(gold, answer)
    if Shape.UNION in shapes and len(shapes) > 1:
        return None, "a union and another form"
    if Shape.SCALAR in shapes:
        return False, f"a {answer.shape} where the gold answer is a {gold.shape}"
    if shapes == {Shape.LIST} and (_names_values(gold) != _names_values(answer) or (_worded(gold) and _worded(answer))):
        in_order = _parts(_by_name(gold), _by_name(answer))
        return in_order if in_order[0] else _as_written(gold, answer)
    return _unordered(gold.items, answer.items)


def _as_written(gold: Form, answer: Form) -> Decision:
    """ "x = -2, k = 1/3" against "-2, 1/3": the values in the order in which they stand."""
    if _names_values(gold) == _names_values(answer):
        return False, "a part differs"
    bare = [
        tuple(item.items[-1] if item.shape is Shape.RELATION else item for item in form.items)
        for form in (gold, answer)
    ]
    return _parts(*bare)


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
    parts = [_as_set(item, listed.label) for item in listed.items]
    if None in parts or listed.label == ALL_OF:
        return False, "a union and a list"
    return _unordered(union.items, tuple(part for part in parts if part is not None))


def _as_set(item: Form, label: str) -> Form | None:
    """A member as an interval: an inequality, or an interval where they are joined by "or"."""
    if item.shape is Shape.RELATION:
        return as_interval(item)
    return item if item.shape is Shape.TUPLE and label == ANY_OF else None


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
