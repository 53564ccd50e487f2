"""What is known of a response that a server sampled, besides its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


def with_thinking(written: int, thought: int | None, total: int | None, *prompt: int) -> int:
    """Tokens of a response with its thinking: most servers count that among those that were ``written``, some (xAI's)
    beside them, which shows where ``total`` is the sum of all, or where more was thought than written.

    ``prompt``: its tokens, in every way in which they may have been counted, the likeliest first.
    """
    if not thought or total == prompt[0] + written:
        return written
    beside = thought > written or total in [read + written + thought for read in prompt]
    return written + thought if beside else written


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
