"""A verifier for code: a response is right if the function in its last code block passes the problem's tests.

Run it where a runaway process hurts nobody: this module executes what a model wrote. README.md says which limits there
are, and what they do not protect against.
"""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from json import dumps
from typing import Any

from tersely.frozen import thaw
from tersely.records import Problem

CPU_SECONDS = 0.5
"""For all tests of one response. Below the judge's own limit, so that code without an end is wrong, not unjudged."""

_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\r?\n(.*?)```", re.DOTALL)


class OutOfTimeError(BaseException):
    """Not an Exception, so that ``except Exception`` in a response does not catch it."""


def check(problem: Problem, response: str) -> bool:
    """Whether every test of the problem passes. KeyError where the task file lacks the columns that are needed."""
    entry_point, tests = problem.payload["entry_point"], thaw(problem.payload["tests"])
    blocks = _BLOCK.findall(response)
    if not blocks:
        return False
    try:
        with _no_terminal(), _cpu_limit(CPU_SECONDS):
            function = _load(blocks[-1], entry_point)
            return all(_same(function(*arguments), expected) for arguments, expected in tests)
    except BaseException:  # whatever a response raises, SystemExit and KeyboardInterrupt too, is its own fault
        return False


def _load(code: str, entry_point: str) -> Callable[..., Any]:
    space: dict[str, Any] = {"__name__": "response"}  # so that `if __name__ == "__main__":` is left out
    exec(compile(code, "<response>", "exec"), space)
    function: Callable[..., Any] = space[entry_point]
    return function


def _same(got: Any, expected: Any) -> bool:
    """Equal as JSON: an object that calls itself equal to everything is equal to nothing, and 1 is not True."""
    return dumps(got, sort_keys=True) == dumps(expected, sort_keys=True)


@contextmanager
def _no_terminal() -> Iterator[None]:
    """What the response prints goes nowhere, and there is nothing for it to read."""
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        sys.stdin = stdin


@contextmanager
def _cpu_limit(seconds: float) -> Iterator[None]:
    """OutOfTimeError after so much processor time in Python code (of the main thread of a Unix process)."""

    def stop(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
