"""Where problems come from: one file a source, and what all of them are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tersely.errors import UserError, nearest
from tersely.records import JsonObject

Split = Literal["train", "held_out"]
EmbeddedSplit = Literal["train", "held_out", "gate"]
"""Of tasks that are made here: a base is judged on problems of its own."""

CheckGolds = Callable[[Sequence[tuple[str, str]]], list[str | None]]
"""(gold answer, kind) of each problem -> why that answer cannot be used, or None (``Judge.check_golds``)."""


@dataclass(frozen=True, slots=True)
class Unjudgeable:
    """A problem whose gold answer cannot be judged.

    Example: ``Unjudgeable("line 3", "8f0c…", "9^{9^{9^9}}", "has no value that can be compared (a tower of powers)")``
    """

    place: str
    """Where it stands, as messages call it."""
    id: str
    answer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.answer[:60]!r} ({self.reason})"

    def to_json(self) -> JsonObject:
        return {"place": self.place, "id": self.id, "answer": self.answer, "reason": self.reason}


LeftOut = Callable[[Sequence[Unjudgeable]], None]
"""Told which problems are left out because their gold answers cannot be judged; without it they are refused."""

SHOWN = 5
"""How many places a message explains."""
PLACES = 40
"""How many more it names."""


def shown(faulty: Sequence[object], places: Sequence[str]) -> str:
    """The first few with what is wrong there, and of the others the places."""
    told, rest = "; ".join(map(str, faulty[:SHOWN])), places[SHOWN : SHOWN + PLACES]
    named = ", ".join(rest) + " and others" * (len(places) > SHOWN + PLACES)
    return told + (f"; and {len(places) - SHOWN} more: {named}" if rest else "")


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a row makes a problem, besides question and answer.

    A problem carries the further columns that somebody reads and no others, so that its id, which covers them, says
    all that matters of it: the id of a problem in an ordinary file is that of question and answer alone.
    """

    columns: tuple[str, ...] = ()
    """Further columns that the prompt template fills in: every problem must have them."""
    verified: bool = False
    """A verifier decides: it reads all columns, and an answer need not be there."""

    def payload(self, columns: Mapping[str, Any]) -> Mapping[str, Any]:
        """The further columns that are read, of those there are; UserError where one is missing."""
        missing = next((name for name in self.columns if columns.get(name) is None), None)
        if missing is not None:
            raise UserError(f"no column {missing!r}{nearest(missing, columns)}, which the prompt template fills in")
        return columns if self.verified else {name: columns[name] for name in self.columns}


ORDINARY = Reading()
"""Question and answer, as almost every task has them."""
