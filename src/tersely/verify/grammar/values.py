"""The value of a tree: an exact rational where it has one, else a high-precision number at one point.

Sizes are bounded before anything is computed (``Refused``). sympy is not used.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.series import SERIES, evaluate
from tersely.verify.grammar.tokens import Node, Refused, Undefined

MAX_BITS = 1 << 18
"""Largest exact integer built (about 79,000 digits)."""
MAX_LOG10 = 12_000.0
"""Largest decimal exponent of any intermediate number."""
MAX_FACTORIAL = 10_000

_local = threading.local()


def context() -> Any:
    """This thread's own mpmath context: the global one is shared and its precision is not safe in threads."""
    if not hasattr(_local, "ctx"):
        import mpmath

        _local.ctx = mpmath.MPContext()
    return _local.ctx


_SPECIAL = frozenset(("sym", "const", "fn", "deg", "abs", "root", "percent", "binom", "fact", *SERIES))
"""Nodes whose value is not the arithmetic of their children's."""


def _small_int(value: Fraction | None, limit: int) -> int | None:
    if value is None or value.denominator != 1 or not 0 <= value <= limit:
        return None
    return int(value)


def exact(node: Node) -> Fraction | None:
    """The rational value of a tree, or None where it has none (variables, roots). Raises Refused if too large."""
    name = node[0]
    if name == "num":
        return node[1]  # type: ignore[no-any-return]
    if name in _SPECIAL:
        return _exact_special(name, node)
    left = exact(node[1])
    if left is None:
        return None
    if name == "neg":
        return -left
    right = exact(node[2])
    if right is None:
        return None
    if name == "pow":
        return _exact_power(left, right)
    if name == "div" and right == 0:
        raise Undefined("a division by zero")
    result = {"add": _add, "sub": _sub, "mul": _mul, "div": _div}[name](left, right)
    if result.numerator.bit_length() + result.denominator.bit_length() > 2 * MAX_BITS:
        raise Refused("a number too large for a final answer")
    return result


def _add(a: Fraction, b: Fraction) -> Fraction:
    return a + b


def _sub(a: Fraction, b: Fraction) -> Fraction:
    return a - b


def _mul(a: Fraction, b: Fraction) -> Fraction:
    return a * b


def _div(a: Fraction, b: Fraction) -> Fraction:
    return a / b


def _exact_special(name: str, node: Node) -> Fraction | None:
    if name == "percent":
        inner = exact(node[1])
        return None if inner is None else inner / 100
    if name == "abs":
        inner = exact(node[1])
        return None if inner is None else abs(inner)
    if name in ("fact", "binom"):
        import math

        n = _small_int(exact(node[1]), MAX_FACTORIAL)
        k = _small_int(exact(node[2]), MAX_FACTORIAL) if name == "binom" else 0
        if (n is None or k is None) and not any(symbols(child) for child in node[1:]):
            raise Refused("a factorial or binomial too large for a final answer")
        if n is None or k is None:
            return None
        return Fraction(math.factorial(n) if name == "fact" else math.comb(n, k))
    return None


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return None
    if base in (0, 1, -1):
        if base == 0 and exponent <= 0:
            raise Undefined("0 to a power that is not positive")
        return base ** (int(exponent) % 2) if base == -1 else base
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * bits > MAX_BITS:
        raise Refused("a power too large for a final answer")
    return base ** int(exponent)


class Numeric:
    """Evaluates trees at one point (``values``: variable -> mpmath number) in a given precision."""

    def __init__(self, ctx: Any, values: Mapping[str, Any]) -> None:
        self.ctx = ctx
        self.values = values
        self.spread = 0.0
        """Largest |log10| of any number met."""

    def of(self, node: Node) -> Any:
        """The number, real or complex. Raises Refused (too large, undefined) or Unparsed (no number at all)."""
        result = self._of(node)
        magnitude = self.ctx.mag(result if isinstance(result, self.ctx.mpf) else abs(result))
        if isinstance(magnitude, int):  # of 0 and of infinity it is a number of mpmath
            self.spread = max(self.spread, abs(magnitude) * 0.30103)
            if self.spread > MAX_LOG10:
                raise Refused("a number too large for a final answer")
        elif self.ctx.isnan(magnitude):
            raise Undefined("an undefined number")
        return result

    def _of(self, node: Node) -> Any:
        name, ctx = node[0], self.ctx
        if name == "num":
            top, bottom = node[1].numerator, node[1].denominator
            return ctx.mpf(top) if bottom == 1 else ctx.mpf(top) / bottom
        if name == "sym":
            return self.values[node[1]]
        if name == "const":
            return self.constant(node[1])
        if name in SERIES:
            return evaluate(self, node)
        if name == "fn":
            return self.function(node[1], node[2])
        a = self.of(node[1])
        if name in ("neg", "percent", "deg", "abs", "fact"):
            return self.unary(name, a)
        b = self.of(node[2])
        if name == "pow":
            return self.power(a, b)
        if name == "root":
            if b == 0:
                raise Undefined("a root of index zero")
            # The real root of a negative number where the index is odd, as people write it.
            odd = isinstance(a, ctx.mpf) and a < 0 and isinstance(b, ctx.mpf) and b == int(b) and int(b) % 2
            return -self.power(-a, 1 / b) if odd else self.power(a, 1 / b)
        if name == "binom":
            if max(abs(a), abs(b)) > MAX_FACTORIAL:
                raise Refused("a binomial too large for a final answer")
            return ctx.binomial(a, b)
        if name == "div" and b == 0:
            raise Undefined("a division by zero")
        return a + b if name == "add" else a - b if name == "sub" else a * b if name == "mul" else a / b

    def constant(self, name: str) -> Any:
        ctx = self.ctx
        if name == "i":
            return ctx.mpc(0, 1)
        return ctx.inf if name == "inf" else +(ctx.pi if name == "pi" else ctx.e)

    def unary(self, name: str, a: Any) -> Any:
        if name == "fact":
            if abs(a) > MAX_FACTORIAL:
                raise Refused("a factorial too large for a final answer")
            return self.ctx.gamma(a + 1)
        if name == "neg":
            return -a
        return abs(a) if name == "abs" else a / 100 if name == "percent" else a * self.ctx.pi / 180

    def power(self, a: Any, b: Any) -> Any:
        if self.ctx.isinf(abs(a)) or self.ctx.isinf(abs(b)):
            raise Undefined("a power with infinity")
        if a == 0:
            if self.ctx.re(b) <= 0:
                raise Undefined("0 to a power that is not positive")
            return a
        if self._may_be_large(a, b) and abs(b) * (abs(self.ctx.log(a)) + 1) > MAX_LOG10 * 2.3:
            raise Refused("a power too large for a final answer")
        return self.ctx.power(a, b)

    def _may_be_large(self, a: Any, b: Any) -> bool:
        """Without a logarithm: |log a| is at most 0.7 for each bit of a's size (known to one or two), and pi."""
        return bool(abs(b) * (0.7 * (abs(self.ctx.mag(a)) + 2) + 4.2) > MAX_LOG10 * 2.3)

    def function(self, name: str, argument: Node) -> Any:
        ctx, a = self.ctx, self.of(argument)
        size = abs(a)
        if name in ("ln", "log", "lg"):
            if size == 0 or ctx.isinf(size):
                raise Undefined("a logarithm of 0 or infinity")
            return ctx.log(a) / ctx.log(10) if name == "lg" else ctx.log(a)
        if name.startswith("arc"):
            if name == "arccot":
                return ctx.acot(a)
            return getattr(ctx, "a" + name[3:])(a)
        if size > MAX_LOG10 * 2.3:
            raise Refused("a function of a number too large for a final answer")
        return getattr(ctx, name)(a)


def rational(form: Form) -> Fraction | None:
    """The exact value of a number; None for anything else, and where it is too large or undefined."""
    try:
        return exact(form.node) if form.shape is Shape.SCALAR and form.node is not None else None
    except Refused:
        return None


def is_real(form: Form) -> bool:
    """Whether an answer is one real number that has a value: no variable, no list, nothing complex or infinite."""
    if form.shape is not Shape.SCALAR or form.node is None or symbols(form.node):
        return False
    ctx = context()
    ctx.dps = 30
    try:
        value = Numeric(ctx, {}).of(form.node)
    except (ArithmeticError, TypeError, AttributeError, ValueError):  # Refused and Unparsed are ValueErrors
        return False
    return bool(ctx.isfinite(value)) and abs(ctx.im(value)) < 1e-20
