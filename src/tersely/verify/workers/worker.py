"""The process in which sympy lives. Run as a script: ``python -P worker.py CPU_SECONDS MEMORY_MB RECYCLE``.

One JSON line in (``{"gold", "answer"}``, or ``{"parse"}`` for a gold alone), one JSON line out. The process imports
math-verify once, then forks a child that serves the requests. A request that uses more than CPU_SECONDS of processor
time (ITIMER_PROF, so load does not matter) or ten times that of wall time ends the child by the default action of the
signal, in C code too; the process above says so in one line and forks the next child in a few milliseconds.
math-verify's own SIGALRM timeouts are off. Nothing is left behind: end of input ends both, and a computation that
runs when the owner dies ends by its budget. It imports nothing of tersely, so that it stays small.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
from typing import Any

WALL_FACTOR = 10.0


def confine(memory_mb: int) -> None:
    """Limits that children inherit: address space, no core, no file may grow."""
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, memory_mb * 2**20)]
    for name, value in limits:
        try:
            resource.setrlimit(name, (value, resource.getrlimit(name)[1] if name == resource.RLIMIT_FSIZE else value))
        except (ValueError, OSError):
            pass  # a system that has no such limit (macOS: address space)


def read_line() -> bytes:
    """One request; b"" at the end of input. Never reads beyond the line: the next child shares the pipe."""
    chunks = []
    while True:
        chunk = os.read(0, 65536)
        chunks.append(chunk)
        if not chunk or chunk.endswith(b"\n"):
            return b"".join(chunks)


def write_line(reply: dict[str, Any]) -> None:
    os.write(1, json.dumps(reply).encode() + b"\n")


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


def answer(request: dict[str, str]) -> dict[str, Any]:
    """The reply to one request, its time not included."""
    from math_verify import verify

    if "parse" in request:
        return {"equal": bool(parse(request["parse"])), "reason": "parsed"}
    gold, given = parse(request["gold"]), parse(request["answer"])
    if not gold:
        return {"equal": False, "reason": "math-verify cannot read the gold answer"}
    if not given:
        return {"equal": False, "reason": "no mathematics that math-verify can read"}
    if not verify(gold, given, timeout_seconds=None):
        return {"equal": False, "reason": "math-verify: different"}
    objection = doubt(gold[0], given[0])
    return {
        "equal": objection is None,
        "reason": f"math-verify: equal, but {objection}" if objection else "math-verify: equal",
    }


def serve(cpu_seconds: float, recycle: int) -> None:
    """Answer requests until the end of input (exit 0) or ``recycle`` answers (exit 77)."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for _ in range(recycle):
        line = read_line()
        if not line:
            os._exit(0)
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        signal.setitimer(signal.ITIMER_REAL, cpu_seconds * WALL_FACTOR)
        try:
            reply = answer(json.loads(line))
        except MemoryError:
            os._exit(78)
        except Exception as error:  # the boundary: whatever sympy raises is data for the owner
            reply = {"equal": False, "reason": f"{type(error).__name__} in math-verify"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        reply["seconds"] = time.process_time() - start
        write_line(reply)
    os._exit(77)


def main() -> None:
    """Import once, then keep one serving child alive; say how each one that failed ended."""
    cpu_seconds, memory_mb, recycle = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    sys.set_int_max_str_digits(5000)
    import math_verify  # noqa: F401

    answer({"gold": "x+\\frac{1}{2}", "answer": "\\frac{2x+1}{2}"})  # warms the parser's tables for every child
    confine(memory_mb)
    write_line({"ready": True})
    while True:
        child = os.fork()
        if child == 0:
            try:
                serve(cpu_seconds, recycle)
            finally:
                os._exit(79)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return
        if code != 77:
            write_line({"died": code})


if __name__ == "__main__":
    main()
