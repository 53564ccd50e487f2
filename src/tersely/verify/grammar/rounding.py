"""When a decimal stands for a value that it only approximates."""

from __future__ import annotations

from fractions import Fraction
from math import floor, log10

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.tokens import Node
from tersely.verify.grammar.values import Numeric, context, exact

MIN_DIGITS = 6
"""Significant digits from which a decimal may stand alone for a value."""
FLOAT_DIGITS = 16
"""Significant digits from which a decimal is the print of a 64-bit float, good to two units of its last place."""
FLOAT_ERROR = 4.5e-16
MIN_BESIDE = 2
"""Significant digits of an approximation that stands beside its exact value."""


def rounded(gold: Form, answer: Form) -> bool:
    """True where the side typed as a decimal is the other value rounded or cut to at least six digits."""
    if _float_print(gold, answer):
        return True
    for short, other in ((answer, gold), (gold, answer)):
        if short.digits is None or short.digits < MIN_DIGITS or short.node is None or other.node is None:
            continue
        if other.digits is not None and other.digits <= short.digits:
            continue
        if symbols(other.node) or (other.digits is None and _terminates(other.node)):
            continue
        if _within(short.node, short.digits, other.node):
            return True
    return False


def approximates(value: Form, decimal: Form) -> bool:
    """Whether ``decimal``, beside its exact value, is that value rounded or cut to the digits given."""
    if value.shape is not Shape.SCALAR or decimal.shape is not Shape.SCALAR:
        return False
    if value.node is None or decimal.node is None or symbols(value.node) or symbols(decimal.node):
        return False
    digits = decimal.digits if decimal.digits is not None else _whole_digits(decimal.node)
    return digits >= MIN_BESIDE and _within(decimal.node, digits, value.node)


def _whole_digits(node: Node) -> int:
    return len(str(abs(node[1].numerator))) if node[0] == "num" and node[1].denominator == 1 else 0


def _within(short: Node, digits: int, other: Node) -> bool:
    """Whether the decimal ``short`` is ``other`` to ``digits`` significant digits, rounded or cut."""
    value = exact(short)
    if value is None or value == 0:
        return False
    ctx = context()
    ctx.dps = 40
    exact_value = Numeric(ctx, {}).of(other)
    unit = ctx.mpf(10) ** (floor(log10(abs(value))) - digits + 1)
    typed = ctx.mpf(value.numerator) / value.denominator
    return bool(abs(exact_value - typed) <= unit * (0.5 + 1e-9) or 0 <= (abs(exact_value) - abs(typed)) < unit)


def _float_print(gold: Form, answer: Form) -> bool:
    """A gold of 16 or 17 digits is what a program printed: right to the last bits of a float."""
    if gold.digits is None or gold.digits < FLOAT_DIGITS or gold.node is None or answer.node is None:
        return False
    value = exact(gold.node)
    if not value or symbols(answer.node):
        return False
    ctx = context()
    ctx.dps = 40
    gap = abs(Numeric(ctx, {}).of(answer.node) - ctx.mpf(value.numerator) / value.denominator)
    return bool(gap <= FLOAT_ERROR * abs(Fraction(value)))


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
