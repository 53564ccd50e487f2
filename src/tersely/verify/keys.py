"""Names of verdicts: what one depends on, as a digest, so that kept verdicts are found again and never mixed up."""

from __future__ import annotations

import hashlib
import json

from tersely.errors import UserError
from tersely.records import Problem

VERSION = "8"
"""Of the checker: changed whenever any verdict may change, so that kept verdicts are not mixed up."""


def verdict_key(gold: str, answer: str, kind: str) -> str:
    """SHA-256 (hex) of checker version, kind, gold and extracted answer: what a verdict depends on."""
    return _digest(VERSION, kind, gold, answer)


def verifier_key(verifier: str, problem: Problem, response: str) -> str:
    """SHA-256 (hex) of checker version, verifier's name, problem (id, payload) and response."""
    try:
        payload = json.dumps(problem.to_json().get("payload", {}), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the payload of problem {problem.id} cannot be handed to a verifier ({error}): it must be JSON values"
        ) from error
    return _digest(VERSION, "verifier", verifier, problem.id, payload, _digest(response))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
