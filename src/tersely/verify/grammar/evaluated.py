"""Whether an answer is worked out, or only says again what was to be computed (policy: an answer is evaluated)."""

from __future__ import annotations

from tersely.verify.grammar.expr import symbols
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.tokens import Node

_TRIGONOMETRIC = {"sin", "cos", "tan", "cot", "sec", "csc"}
MIN_OPERAND = 10
"""Numerals from which a sum or product of two is the question again; "2 * 3" and "42 + 0" are let pass."""


def restates(gold: Form, answer: Form) -> bool:
    """Whether the answer leaves to be done what the gold answer has done.

    For a whole number that is a sum, difference or product of two numerals of two digits ("123 * 456"), for any
    value two trigonometric functions of numbers. Powers, factorials, binomials, fractions are answers.
    """
    if gold.shape is not Shape.SCALAR or answer.shape is not Shape.SCALAR or gold.node is None or answer.node is None:
        return False
    if gold.digits is not None or symbols(answer.node):
        return False
    if gold.node[0] == "num" and gold.node[1].denominator == 1 and _unworked(answer.node):
        return True
    return _trigonometric(answer.node) > 1 and not _trigonometric(gold.node)


def _unworked(node: Node) -> bool:
    children = [child for child in node[1:] if isinstance(child, tuple)]
    if node[0] in ("add", "sub", "mul") and all(child[0] == "num" and child[1] >= MIN_OPERAND for child in children):
        return True
    return any(_unworked(child) for child in children)


def _trigonometric(node: Node) -> int:
    """How many trigonometric functions a tree has."""
    here = node[0] == "fn" and node[1] in _TRIGONOMETRIC
    return here + sum(_trigonometric(child) for child in node[1:] if isinstance(child, tuple))
