"""What may be done while a response is decoded, in place of training: one option a file, by the name asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tersely.errors import UserError, require_known
from tersely.samplers.decoding.base import Option
from tersely.samplers.decoding.brake import Brake
from tersely.samplers.decoding.budget import Budget
from tersely.samplers.decoding.nowait import NoWait

OPTIONS: Mapping[str, type[Option]] = MappingProxyType({"budget": Budget, "brake": Brake, "nowait": NoWait})
LONGEST = 60
"""Characters of a name in a folder."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """An option as it was asked for. Example: ``Decoding("budget:512", close="\\n</think>\\n\\n")``"""

    spec: str
    close: str | None = None
    """What ends thinking and opens the answer, read by the model in one piece; None: the tokenizer's own mark alone."""

    def __post_init__(self) -> None:
        if not self.option.closes and self.close is not None:
            raise UserError(f"--close is what ends thinking, and {self.spec} ends none: leave --close out")

    @property
    def option(self) -> Option:
        """UserError for a name that nobody knows and a value that means nothing."""
        name, colon, value = self.spec.partition(":")
        require_known("decoding option", name, OPTIONS)
        try:
            if colon and not value:
                raise ValueError("nothing stands behind the colon")
            return OPTIONS[name].parse(value)
        except ValueError as error:
            example = OPTIONS[name].example
            raise UserError(f"--decoding {self.spec!r}: {error}, for example {example}") from error

    @property
    def fact(self) -> str:
        """As a protocol records it."""
        return self.spec if self.close is None else f"{self.spec} close={self.close!r}"

    @property
    def variant(self) -> str:
        """The name in a folder: ``budget-512``; ``budget-DIGEST-512`` where a closing text was given; a long one ends
        with its digest."""
        name, colon, value = self.spec.partition(":")
        closing = "" if self.close is None else f"-{_digest(self.close)}"
        text = "".join(c if c.isalnum() or c in "._" else "-" for c in f"{name}{closing}{colon}{value}")
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}-{_digest(self.spec)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
