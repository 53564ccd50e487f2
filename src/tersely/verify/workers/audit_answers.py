"""What an audit's worker answers with: math-verify alone, with its own defaults. Imports nothing of tersely.

A request is ``{"gold", "response"}``. math-verify's own SIGALRM timeouts are off: the budget is the worker's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any


def answer(request: Mapping[str, str]) -> dict[str, Any]:
    """Status and reason of one request. Whatever math-verify raises is an answer that differs."""
    from math_verify import parse, verify

    try:
        gold = parse(f"\\boxed{{{request['gold']}}}", parsing_timeout=None)
        found = parse(request["response"], parsing_timeout=None)
        equal = bool(verify(gold, found, timeout_seconds=None))
    except MemoryError:
        raise
    except Exception as error:  # the boundary to sympy
        return {"status": "WRONG", "reason": f"{type(error).__name__} in math-verify"}
    return {"status": "CORRECT" if equal else "WRONG", "reason": "math-verify"}


def start() -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """Import once, warm the parser's tables for every child, and give ``answer``."""
    logging.disable(logging.CRITICAL)
    sys.set_int_max_str_digits(5000)
    answer({"gold": "x+\\frac{1}{2}", "response": "\\boxed{\\frac{2x+1}{2}}"})
    return answer
