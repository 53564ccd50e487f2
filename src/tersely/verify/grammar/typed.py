"""A unit typed as a product of letters: ``12 m^2`` and ``9.8 m s^{-2}`` without any ``\\text``."""

from __future__ import annotations

from tersely.verify.grammar.tokens import Node
from tersely.verify.grammar.values import exact


def typed_unit(node: Node) -> tuple[Node, str]:
    """(12, "m^2") of ``12 m^2``, spelled as ``units`` does; (node, "") where no number stands before letters."""
    powers: dict[str, int] = {}
    value = node
    while value[0] in ("mul", "div") and (factor := _factor(value[2])) is not None:
        name, power = factor
        powers[name] = powers.get(name, 0) + (power if value[0] == "mul" else -power)
        value = value[1]
    if not powers or value[0] != "num":
        return node, ""
    return value, "*".join(name if power == 1 else f"{name}^{power}" for name, power in sorted(powers.items()))


def _factor(node: Node) -> tuple[str, int] | None:
    """The letter and its whole power, or None."""
    letter, power = (node[1], exact(node[2])) if node[0] == "pow" else (node, 1)
    if letter[0] != "sym" or power is None or power != int(power):
        return None
    return str(letter[1]), int(power)
