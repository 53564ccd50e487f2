"""Whether two trees are the same function: exact rationals where they exist, else values at fixed points.

``same_value`` decides whether two trees are the same function of their variables. Both rational: exactly. Otherwise
each is evaluated with mpmath at 50 digits (at three to five fixed points when there are variables) and compared by
relative difference; where cancellation could fool that, again at 160 digits. Nothing depends on time or load: sizes
are bounded before anything is computed (``Refused``), so that a comparison costs at most a few milliseconds. sympy is
not used.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.series import PLACES, has_series, place
from tersely.verify.grammar.tokens import Node, Refused, Undefined, Unparsed
from tersely.verify.grammar.values import Numeric, context, exact

MAX_SPREAD = 1_500
"""Largest decimal exponent where values are irrational or have variables: the precision must cover it."""
DIGITS = 50
_INFINITE = float("inf")

_PLACES = ((0.37, 1.1, ""), (2.3, 3.7, ""), (0.6, 1.9, "all"), (0.8, 2.1, "odd"), (1.2, 1.7, "even"))
"""(lowest value, span, which variables are negative) of the fixed points."""


def _places(names: frozenset[str]) -> int:
    """How many points: one without variables, three with one, five (every mix of signs of two) with more."""
    return min(len(names), 1) * 2 + 1 + 2 * (len(names) > 1)


def _point(names: frozenset[str], index: int, ctx: Any) -> Mapping[str, Any]:
    """The fixed generic point number ``index``: a value for each variable, the same on both sides."""
    return _kept_point(names, index, ctx, ctx.prec)


@lru_cache(maxsize=1024)
def _kept_point(names: frozenset[str], index: int, ctx: Any, bits: int) -> Mapping[str, Any]:
    """The point in the precision of ``bits``, to which ``ctx`` is set. A context belongs to one thread."""
    low, span, negative = _PLACES[index]
    values = {}
    for rank, name in enumerate(sorted(names)):
        crc = zlib.crc32(f"{name}|{low}".encode())
        value = ctx.mpf(int(low * 1e6)) / 10**6 + ctx.mpf(crc % 1_000_003) / 1_000_003 * ctx.mpf(span)
        values[name] = -value if negative == "all" or negative == ("odd", "even")[rank % 2] else value
    return values


@lru_cache(maxsize=64)
def _tolerance(digits: int, ctx: Any, bits: int) -> Any:
    """10^-digits in the precision of ``bits``, to which ``ctx`` is set."""
    return ctx.mpf(10) ** -digits


def _close(x: Any, y: Any, digits: int) -> bool:
    """Relative agreement to ``digits`` digits; infinities agree only with themselves."""
    if x == y:
        return True
    gap, ctx = abs(x - y), context()
    return bool(gap < _INFINITE and gap <= max(abs(x), abs(y)) * _tolerance(digits, ctx, ctx.prec))


def _both(a: Node, b: Node, index: int, names: frozenset[str], digits: int) -> tuple[Any, Any, int]:
    """Both values at point ``index`` with ``digits`` digits, and the largest |log10| met on the way."""
    ctx = context()
    ctx.dps = digits
    numeric = Numeric(ctx, _point(names, index, ctx))
    x, y = numeric.of(a), numeric.of(b)
    return x, y, int(numeric.spread)


def _imaginary(value: Any) -> bool:
    return bool(abs(value.imag) > abs(value) * 1e-15)


def _mentions_i(node: Node) -> bool:
    return node == ("const", "i") or any(_mentions_i(child) for child in node[1:] if isinstance(child, tuple))


def _same_at(a: Node, b: Node, index: int, names: frozenset[str]) -> bool:
    """Whether both have the same value at point ``index``.

    The precision covers the largest and the smallest number met, so that 10^500 + 1 is not 10^500; where the values
    differ only a little, a second look with 110 more digits tells cancellation from a difference.
    """
    ctx = context()
    digits = DIGITS
    x, y, spread = _both(a, b, index, names, digits)
    if min(abs(x), abs(y)) > 1e-24 and not _close(x, y, 6):
        return False
    if spread > 10:
        if spread > MAX_SPREAD:
            raise Refused("a power too large for a final answer")
        digits += 2 * spread
        x, y, _ = _both(a, b, index, names, digits)
    if _close(x, y, digits - 12):
        return True
    u, v, _ = _both(a, b, index, names, digits + 110)
    if _close(u, v, digits + 60):
        return True
    if any(ctx.isinf(abs(value)) for value in (x, y, u, v)):
        return False
    # Noise around an exact zero shrinks with the precision; a true tiny number does not.
    return bool(max(abs(u), abs(v)) <= max(abs(x), abs(y)) * ctx.mpf(10) ** -60)


def _branches(node: Node) -> bool:
    """Whether a real variable can give a complex value: roots, logarithms, inverse functions, fractional powers."""
    if node[0] in ("root", "fn"):
        return True
    if node[0] == "pow" and not (node[2][0] == "num" and node[2][1].denominator == 1):
        return True
    return any(_branches(child) for child in node[1:] if isinstance(child, tuple))


def _off_domain(a: Node, b: Node, index: int, names: frozenset[str]) -> bool:
    """True where both values are complex although neither tree names i."""
    if not names or not (_branches(a) and _branches(b)) or _mentions_i(a) or _mentions_i(b):
        return False
    x, y, _ = _both(a, b, index, names, 20)
    return _imaginary(x) and _imaginary(y)


def _has_value(node: Node, index: int, names: frozenset[str]) -> bool:
    ctx = context()
    ctx.dps = DIGITS
    try:
        Numeric(ctx, _point(names, index, ctx)).of(node)
    except Refused:
        return False
    return True


def same_value(a: Node, b: Node) -> bool | None:
    """True: the same function; False: not; None: the points disagree (branches, signs), so this cannot say.

    Raises Refused where a value is undefined or too large at every point.
    """
    names = symbols(a) | symbols(b)
    if names and (has_series(a) or has_series(b)):
        return _same_series(a, b, names)
    if not names:
        x, y = exact(a), exact(b)
        if x is not None and y is not None:
            return x == y
    votes: list[bool] = []
    outside: list[bool] = []  # where neither side is real: log x^3 = 3 log x for x > 0 is enough
    refusal: Refused | None = None
    for index in range(_places(names)):
        try:
            (outside if _off_domain(a, b, index, names) else votes).append(_same_at(a, b, index, names))
        except Refused as error:
            refusal = error
            if names and _has_value(a, index, names) != _has_value(b, index, names):
                votes.append(False)
        except (ArithmeticError, ValueError, TypeError, AttributeError) as error:
            raise Unparsed("no number") from error
    if len(votes) < 2:
        votes += outside
    if not votes:
        raise refusal or Undefined("an undefined number")
    if len(set(votes)) > 1 or (names and len(votes) < 2 and votes[0]):
        return None
    return votes[0]


def _same_series(a: Node, b: Node, names: frozenset[str]) -> bool:
    """Whether two trees with sums or products agree at whole numbers, at six places."""
    ctx = context()
    ctx.dps = DIGITS
    for index in range(len(PLACES)):
        numeric = Numeric(ctx, place(names, index, ctx))
        try:
            if not _close(numeric.of(a), numeric.of(b), DIGITS - 12):
                return False
        except (ArithmeticError, TypeError, AttributeError) as error:
            raise Unparsed("no number") from error
    return True


def constant_difference(a: Node, b: Node) -> bool:
    """Whether a = b + c for a real number c, at every point where both have a value."""
    gaps = [x - y for x, y in _at_points(a, b)]
    if len(gaps) < 2 or any(map(_imaginary, gaps)):
        return False
    return all(abs(gap - gaps[0]) <= (1 + abs(gap)) * 1e-38 for gap in gaps)


def constant_ratio(a: Node, b: Node) -> bool | None:
    """Whether a = c * b for a number c that is not 0 (two equations with the same solutions)."""
    if symbols(a) != symbols(b) or not symbols(a):
        return False
    values = _at_points(a, b)
    if any(x == 0 or y == 0 for x, y in values) or len(values) < 2:
        return None
    ratios = [x / y for x, y in values]
    return all(_close(ratio, ratios[0], 38) for ratio in ratios)


def _at_points(a: Node, b: Node) -> list[tuple[Any, Any]]:
    """Both values at every fixed point where there are any."""
    names = symbols(a) | symbols(b)
    ctx = context()
    ctx.dps = DIGITS
    values = []
    for index in range(_places(names)):
        numeric = Numeric(ctx, _point(names, index, ctx))
        try:
            values.append((numeric.of(a), numeric.of(b)))
        except Refused:
            continue
        except (ArithmeticError, ValueError, TypeError, AttributeError) as error:
            raise Unparsed("no number") from error
    return values
