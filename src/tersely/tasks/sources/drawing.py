"""How the tasks that are made here draw problems: splits by content alone, and what can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from tersely.errors import UserError
from tersely.tasks.sources import EmbeddedSplit


class Drawn(Protocol):
    """A problem that a task has drawn."""

    @property
    def split(self) -> EmbeddedSplit:
        """Which split it belongs to."""


AnyDrawn = TypeVar("AnyDrawn", bound=Drawn)


def split_of(content: str, shares: Sequence[EmbeddedSplit]) -> EmbeddedSplit:
    """Of a content id (hexadecimal): by the content alone, so that two splits can never share a problem. ``shares``
    names each split as often as its part of all."""
    return shares[int(content, 16) % len(shares)]


def drawn_of(draw: Callable[[], AnyDrawn], split: EmbeddedSplit) -> AnyDrawn:
    """The first drawn that belongs to ``split``."""
    while (found := draw()).split != split:
        pass
    return found


def require_drawable(split: str, size: int, shares: Sequence[EmbeddedSplit]) -> None:
    """UserError for a split that there is not, and for no problems at all."""
    if size < 1:
        raise UserError(f"size {size} is no number of problems; ask for at least 1")
    if split not in shares:
        raise UserError(f"unknown split {split!r}; choose one of train, held_out, gate")
