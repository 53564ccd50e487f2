"""What a worker answers with where only math-verify can tell. Loaded by ``worker``; imports nothing of tersely.

A request is ``{"gold", "answer"}``, or ``{"parse"}`` for a gold alone (CORRECT: it can be read). math-verify's own
SIGALRM timeouts are off: the budget is the worker's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any


def parse(text: str) -> list[Any]:
    """sympy objects of one boxed answer; only LaTeX in the box counts, never a number found in prose."""
    from math_verify import LatexExtractionConfig
    from math_verify import parse as mv_parse

    config = [LatexExtractionConfig(boxed_match_priority=0)]
    found = mv_parse(f"\\boxed{{{text}}}", config, fallback_mode="no_fallback", parsing_timeout=None)
    return [item for item in found if not isinstance(item, str)]


def doubt(gold: Any, answer: Any) -> str | None:
    """Why an "equal" of math-verify is not believed, or None. Looks for its known false positives."""
    from sympy import Basic, Expr
    from sympy.core.relational import Relational

    if not isinstance(gold, Basic) or not isinstance(answer, Basic):
        return None
    if isinstance(answer, Relational) and not isinstance(gold, Relational):
        return "a relation for a value"
    if gold.free_symbols != answer.free_symbols:
        return "different variables"
    if isinstance(gold, Expr) and isinstance(answer, Expr) and not numerically_equal(gold, answer):
        return "different values"
    return None


def numerically_equal(gold: Any, answer: Any) -> bool:
    """Relative agreement to 1e-12 at 30 digits, at two fixed points where there are variables."""
    from sympy import Rational

    names = sorted(gold.free_symbols, key=str)
    for shift in (Rational(137, 100), Rational(291, 100)):
        values = {name: shift + Rational(i, 7) for i, name in enumerate(names)}
        try:
            a, b = (complex(side.subs(values).evalf(30)) for side in (gold, answer))
            gap = abs(complex((gold - answer).subs(values).evalf(30)))
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            continue  # no number at this point: nothing to object
        if gap > 1e-12 * max(abs(a), abs(b)):
            return False
    return True


def answer(request: Mapping[str, str]) -> dict[str, Any]:
    """Status and reason of one request. Whatever sympy raises is an answer that differs."""
    try:
        equal, reason = compared(request)
    except MemoryError:
        raise
    except Exception as error:  # the boundary to sympy
        equal, reason = False, f"{type(error).__name__} in math-verify"
    return {"status": "CORRECT" if equal else "WRONG", "reason": reason}


def compared(request: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the two agree, or the one can be read, and why."""
    from math_verify import verify

    if "parse" in request:
        readable = bool(parse(request["parse"]))
        return readable, "parsed" if readable else "neither a number, a formula nor plain words"
    gold, given = parse(request["gold"]), parse(request["answer"])
    if not gold:
        return False, "math-verify cannot read the gold answer"
    if not given:
        return False, "no mathematics that math-verify can read"
    if not verify(gold, given, timeout_seconds=None):
        return False, "math-verify: different"
    objection = doubt(gold[0], given[0])
    return objection is None, f"math-verify: equal, but {objection}" if objection else "math-verify: equal"


def start() -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """Import once, warm the parser's tables for every child, and give ``answer``."""
    logging.disable(logging.CRITICAL)
    sys.set_int_max_str_digits(5000)
    answer({"gold": "x+\\frac{1}{2}", "answer": "\\frac{2x+1}{2}"})
    return answer
