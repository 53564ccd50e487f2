"""What is known of a response that a server sampled, besides its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Served:
    """Measured here and reported there, for one response; None where the server did not say.

    Example: ``Served(seconds=4.2, first_token_s=0.3, prompt_tokens=61, reasoning_tokens=190)``
    """

    seconds: float
    """From the request to the last byte of its answer; earlier tries that failed do not count."""
    first_token_s: float | None = None
    """From the request to the first text; None where the answer came whole."""
    prompt_tokens: int | None = None
    reasoning_tokens: int | None = None
    """Of the response's tokens, those of thinking, as the server counts them."""

    def to_json(self) -> Mapping[str, object]:
        """The fields that are known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Served:
        """What ``to_json`` wrote; TypeError for anything else."""
        return cls(**found)
