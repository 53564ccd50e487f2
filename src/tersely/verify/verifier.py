"""A caller's own verifier: any callable that says what a response to a problem is worth.

It runs in killable worker processes within a budget (``workers``), so it must be something that a fresh process can
import: nothing is pickled, a verifier travels by the name of its module or by the file of its script.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tersely.errors import UserError
from tersely.plugins import load, require_signature
from tersely.records import Problem, Verdict
from tersely.verify.workers.pool import Program, Request

Verifier = Callable[[Problem, str], Verdict | bool | float]
"""(problem, whole response text) -> a verdict, or whether it is correct, or a score in [0, 1] of which 1 is correct."""

ANSWERS = Path(__file__).parent / "workers" / "verifier_answers.py"
FILE_MB = 16
"""To which size a verifier may let a file grow, in MiB."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a fresh process finds a verifier. Example: ``Reference("rewards.code", "passes", None)``."""

    module: str | None
    """The module's name; None for a script, which has only a file."""
    name: str
    """Within the module, dotted."""
    file: str | None

    def __str__(self) -> str:
        return f"{self.module or Path(self.file or '').name}:{self.name}"

    @property
    def program(self) -> Program:
        """What workers run. One answer a process: no response can leave anything behind for the next."""
        path = [entry or os.getcwd() for entry in sys.path]
        where = {"path": path, "module": self.module, "file": self.file, "name": self.name}
        return Program(ANSWERS, (json.dumps(where),), recycle=1, file_mb=FILE_MB)


def refer(verifier: Verifier | str) -> Reference:
    """The reference to a verifier, a callable or ``"package.module:Name"``, which is imported here.

    UserError for what cannot be imported here or in a fresh process, and for what does not take (problem, response).
    """
    if isinstance(verifier, str):
        function = load("verifier", verifier)
        module, _, name = verifier.partition(":")
    else:
        function = verifier
        module, name = getattr(verifier, "__module__", None) or "", getattr(verifier, "__qualname__", "")
    shown = f"{module}:{name}" if name else repr(verifier)
    require_signature("verifier", shown, function, "problem", "response")
    place = sys.modules.get(module)
    if place is None or _found(place, name) is not function:
        raise _unreachable(shown)
    return _place(place, module, name, shown)


def _place(place: ModuleType, module: str, name: str, shown: str) -> Reference:
    """By name; a script that is being run (``__main__``) by the name it was run under, else by its file."""
    if module != "__main__":
        return Reference(module, name, None)
    if (spec := getattr(place, "__spec__", None)) is not None:
        return Reference(spec.name, name, None)
    file = getattr(place, "__file__", None)
    if file is None or not Path(file).is_file():
        raise _unreachable(shown)
    return Reference(None, name, str(Path(file).resolve()))


def _found(place: Any, name: str) -> Any:
    """What the dotted name means there; None where it means nothing (a lambda, a function within another)."""
    for part in name.split("."):
        place = getattr(place, part, None)
    return place


def _unreachable(shown: str) -> UserError:
    return UserError(
        f"verifier {shown!r} cannot be imported in a fresh process, as no lambda, nested function or notebook cell "
        "can: put it in a module file as a plain function"
    )


def request(problem: Problem, response: str) -> Request:
    """What a worker is asked."""
    return {"problem": problem.to_json(), "response": response}
