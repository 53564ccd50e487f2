"""What a worker answers with where a caller's own verifier decides. Loaded by ``worker``; nothing is unpickled.

A request is ``{"problem": its fields, "response": the whole text}``. What a verifier raises, and what it returns that
is no outcome, is UNJUDGED with a reason.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from numbers import Real
from types import MappingProxyType
from typing import Any

LOADING = "TERSELY_LOADING_VERIFIER"
"""Environment variable: a script is being loaded for the verifier in it, and must not start its work."""
LONGEST_REASON, LONGEST_ANSWER = 400, 4_000
"""In characters."""
SCRIPT = "__tersely_script__"
"""The name under which a script is loaded, so that its ``if __name__ == "__main__"`` part does not run."""


def start(where: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The function that answers, for a verifier named by JSON: ``path``, ``module`` or ``file``, and ``name``."""
    place = json.loads(where)
    sys.path[:] = place["path"]
    os.environ[LOADING] = "1"
    verifier: Any = importlib.import_module(place["module"]) if place["module"] else _script(place["file"])
    for part in place["name"].split("."):
        verifier = getattr(verifier, part)
    import tersely.records  # noqa: F401 (before the first fork)

    del os.environ[LOADING]
    return lambda request: answer(verifier, request)


def _script(file: str) -> Any:
    spec = spec_from_loader(SCRIPT, SourceFileLoader(SCRIPT, file))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[SCRIPT] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(verifier: Callable[..., Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Status, score, extracted and reason of one request."""
    from tersely.errors import in_one_line
    from tersely.records import Problem

    fields = request["problem"]
    problem = Problem(**{**fields, "payload": MappingProxyType(fields.get("payload", {}))})
    try:
        return outcome(verifier(problem, request["response"]))
    except MemoryError:
        raise
    except BaseException as error:  # the boundary to a stranger's code, which may well call sys.exit
        return _unjudged(f"the verifier raised {in_one_line(error)}")


def outcome(said: Any) -> dict[str, Any]:
    """A Verdict, a bool or a number in [0, 1] as a reply; UNJUDGED for anything else, NaN too."""
    from tersely.records import Status, Verdict

    score = _score(said)
    if score is not None:
        return _reply(Status.CORRECT if score == 1.0 else Status.WRONG, f"the verifier says {score:g}", score)
    if isinstance(said, Verdict) and _is_sound(said):
        return _reply(said.status, said.reason, _score(said.score), said.extracted)
    wanted = "a Verdict, a bool or a number from 0 to 1"
    return _unjudged(f"the verifier returned {said!r:.80} ({type(said).__name__}), where {wanted} is wanted")


def _is_sound(verdict: Any) -> bool:
    """Whether the fields of a Verdict are what they should be: a caller's Python checks no types."""
    from tersely.records import Status

    scored = verdict.score is None or _score(verdict.score) is not None
    texts = isinstance(verdict.reason, str) and isinstance(verdict.extracted, str | None)
    return isinstance(verdict.status, Status) and texts and scored


def _score(value: Any) -> float | None:
    """A bool (numpy's too) or a number in [0, 1] as a float; None for anything else."""
    if isinstance(value, Real) or type(value).__name__ in ("bool", "bool_"):
        score = float(value)
        return score if 0.0 <= score <= 1.0 else None
    return None


def _unjudged(reason: str) -> dict[str, Any]:
    return _reply("UNJUDGED", reason)


def _reply(status: str, reason: str, score: float | None = None, extracted: str | None = None) -> dict[str, Any]:
    shown = None if extracted is None else _plain(extracted, LONGEST_ANSWER)
    return {"status": status, "reason": _plain(reason, LONGEST_REASON), "score": score, "extracted": shown}


def _plain(text: str, longest: int) -> str:
    """What every file takes: no half of a surrogate pair, of bounded length."""
    return text[:longest].encode("utf-8", "replace").decode()
