"""Answer kinds: one file each, listed in ``KINDS``. A new kind is a file with one ``AnswerKind`` and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from tersely.errors import UserError, require_known
from tersely.plugins import is_own
from tersely.records import Kind
from tersely.verify.kinds.base import AnswerKind
from tersely.verify.kinds.choice import CHOICE
from tersely.verify.kinds.countdown import COUNTDOWN
from tersely.verify.kinds.exact import EXACT
from tersely.verify.kinds.math import MATH

KINDS: Mapping[str, AnswerKind] = {
    Kind.EXACT: EXACT,
    Kind.CHOICE: CHOICE,
    Kind.MATH: MATH,
    Kind.COUNTDOWN: COUNTDOWN,
}


def look_up(name: str, table: Mapping[str, AnswerKind] = KINDS) -> AnswerKind:
    """The kind of that name. Names come with the data: one that points into a module is never imported for them."""
    if is_own(name) and name not in table:
        raise UserError(
            f"answer kind {name!r} points into a module, and data may not choose what is imported: if you trust it, "
            "name it yourself, as --kind of `tersely verify` or in Judge(kinds=[...])"
        )
    return table[require_known("kind", name, table)]


__all__ = ["KINDS", "AnswerKind", "look_up"]
