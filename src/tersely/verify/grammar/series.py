"""Commands that the expression grammar reads apart: decorated letters, and finite sums and products.

``\\sum_{k=1}^{n} k^2`` and a closed form of it are compared at whole numbers n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tersely.verify.grammar.tokens import Node, Refused, Unparsed

if TYPE_CHECKING:
    from tersely.verify.grammar.expr import Parser
    from tersely.verify.grammar.values import Numeric

SERIES = ("sum", "prod")
MAX_TERMS = 300
PLACES = (2, 3, 5, 8, 13, 21)
"""Where the variables of two trees with a series are tried."""


def read_series(parser: Parser, name: str) -> Node:
    """``(name, from, to, term, variable)`` of ``_{k=1}^{n} term``; the term is the product that follows."""
    bounds: dict[str, Node] = {}
    variable = ""
    for _ in range(2):
        sign = parser.take()
        if sign == "_" and parser.peek() == "{":
            parser.take()
            variable = parser.take()
            parser.take("=")
            bounds["_"] = parser.sum()
            parser.take("}")
        elif sign == "^":
            bounds["^"] = parser.argument()
        else:
            raise Unparsed(f"a {name} without bounds")
    if len(bounds) < 2 or not variable.isalpha():
        raise Unparsed(f"a {name} without bounds")
    parser.deeper()
    term = parser.product()
    parser.depth -= 1
    return (name, bounds["_"], bounds["^"], term, variable)


def read_decorated(parser: Parser, name: str) -> Node:
    """``\\dot{y}``: a letter of its own."""
    braced = parser.peek() == "{"
    parser.at += braced
    letter = parser.take()
    if not letter.isalpha():
        raise Unparsed(f"\\{name} of no letter")
    if braced:
        parser.take("}")
    return parser.symbol(f"\\{name} {letter}")


def has_series(node: Node) -> bool:
    """Whether a sum or product stands anywhere in a tree."""
    return node[0] in SERIES or any(has_series(child) for child in node[1:] if isinstance(child, tuple))


def evaluate(numeric: Numeric, node: Node) -> Any:
    """The value of a series at a point where its bounds are whole numbers."""
    name, low, high, term, variable = node
    start, stop = (_whole(numeric.of(bound)) for bound in (low, high))
    if stop - start >= MAX_TERMS:
        raise Refused("a longer sum than any final answer")
    outer = numeric.values
    total = numeric.ctx.mpf(1 if name == "prod" else 0)
    try:
        for index in range(start, stop + 1):
            numeric.values = {**outer, variable: numeric.ctx.mpf(index)}
            value = numeric.of(term)
            total = total * value if name == "prod" else total + value
    finally:
        numeric.values = outer
    return total


def _whole(value: Any) -> int:
    if not abs(value) < 10**6 or value != int(value.real):
        raise Unparsed("a series without whole bounds")
    return int(value.real)


def place(names: frozenset[str], index: int, ctx: Any) -> dict[str, Any]:
    """The point number ``index``: a whole number for each variable, all of them different."""
    return {name: ctx.mpf(PLACES[index] + 3 * rank) for rank, name in enumerate(sorted(names))}
