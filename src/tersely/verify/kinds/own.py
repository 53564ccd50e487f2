"""A caller's own answer kinds beside ours: taken by object or by name, and kept from raising."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tersely.errors import UserError, in_one_line
from tersely.plugins import load, require_signature
from tersely.records import Status
from tersely.verify.kinds.base import AnswerKind, Decision, GoldCheck


def with_own(table: Mapping[str, AnswerKind], kinds: Iterable[AnswerKind | str]) -> dict[str, AnswerKind]:
    """``table`` and a caller's own: objects, or names ``package.module:Name``, which are imported here.

    One given by such a name goes by it and by the name it declares. UserError for what is no AnswerKind, cannot be
    imported, has functions that do not take texts, or bears a name that is taken.
    """
    extended = dict(table)
    for given in kinds:
        kind = load("answer kind", given) if isinstance(given, str) else given
        if not isinstance(kind, AnswerKind):
            raise UserError(f"answer kind {given!r} is no AnswerKind but {type(kind).__name__}: declare one")
        require_signature("answer kind", f"{kind.name}.decide", kind.decide, "gold", "answer")
        require_signature("answer kind", f"{kind.name}.check_gold", kind.check_gold, "gold")
        if kind.name in extended:
            raise UserError(f"the name of answer kind {kind.name!r} is taken: give yours another")
        names = [kind.name, given] if isinstance(given, str) else [kind.name]
        extended |= dict.fromkeys(names, _guarded(kind))
    return extended


def _guarded(kind: AnswerKind) -> AnswerKind:
    """The kind with what it raises, and what is no outcome, turned into a verdict or a refusal with a reason."""

    def decide(gold: str, answer: str) -> Decision:
        found = _attempt(kind, Status, kind.decide, gold, answer)
        return (Status.UNJUDGED, found) if isinstance(found, str) else found

    def check_gold(gold: str) -> GoldCheck:
        found = _attempt(kind, bool, kind.check_gold, gold)
        return (False, f"cannot be checked ({found})") if isinstance(found, str) else found

    return replace(kind, decide=decide, check_gold=check_gold)


def _attempt(kind: AnswerKind, wanted: type, function: Callable[..., Any], *texts: str) -> tuple[Any, str] | str:
    """What the function gives, or in one line why that is no outcome."""
    try:
        found = function(*texts)
    except Exception as error:  # the boundary to a stranger's code
        return f"answer kind {kind.name!r} raised {in_one_line(error)}"
    allowed = (wanted, type(None)) if kind.for_worker is not None else (wanted,)
    match found:
        case (first, str()) if isinstance(first, allowed):
            return first, found[1]
    return f"answer kind {kind.name!r} returned {found!r:.80}, where ({wanted.__name__}, reason) is wanted"
