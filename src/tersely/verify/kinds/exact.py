"""Equal strings, but for what is typed around them: fonts, dollar signs, white space."""

from __future__ import annotations

from tersely.records import Kind, Status
from tersely.verify.grammar import clean, key
from tersely.verify.kinds.base import AnswerKind, Decision


def _plain(text: str) -> str:
    """Cleaned, fonts dropped, white space collapsed."""
    text = clean(text)
    if text.startswith("\\text{") and text.endswith("}"):
        text = text[len("\\text{") : -1]
    return key(text)


def decide(gold: str, answer: str) -> Decision:
    """CORRECT for equal strings, WRONG for others, NO_ANSWER for an empty one."""
    given = _plain(answer)
    if not given:
        return Status.NO_ANSWER, "empty answer"
    return (Status.CORRECT, "equal strings") if given == _plain(gold) else (Status.WRONG, "different strings")


EXACT = AnswerKind(Kind.EXACT, decide)
