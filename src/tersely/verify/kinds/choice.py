"""Multiple choice: the one letter from A to J that an answer names, or all of them where the gold names several."""

from __future__ import annotations

import re

from tersely.records import Kind, Status
from tersely.verify.grammar import clean
from tersely.verify.kinds.base import AnswerKind, Decision, GoldCheck

_WRAPPED = re.compile(r"\\text\{([^{}]*)\}")
_LEAD = re.compile(r"^(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|option|choice)\s*(?:is|:)?\s*:?\s*", re.IGNORECASE)
_ALONE = re.compile(r"[(\[{]?\s*([A-Ja-j])\s*[)\]}]?\s*[.:]?")
_WITH_TEXT = re.compile(r"(?:\(([A-J])\)|([A-J])[.:)])[\s:.\-]*\S.*", re.DOTALL)
_WITH_ASIDE = re.compile(r"([A-J])(?:,| [-(])\s*[^\s].*", re.DOTALL)
_WITH_REASON = re.compile(r"\(?([A-J])\)?[,.]?\s+(?:since|because|as)\s.*", re.DOTALL)
"""A letter and its reason, which may name other letters."""
_REASON = re.compile(r",?\s(?:since|because)\s")
_ANY = re.compile(r"(?<![A-Za-z'])\(?([A-J])\)?(?![A-Za-z'])")


_JOINED = re.compile(r"\(?([A-J])\)?(?:\s*(?:,\s*and|,|and|&|;)\s*\(?([A-J])\)?)+\.?")


def letters(text: str) -> frozenset[str]:
    """Several letters that are all chosen, "A, C", "A and C" or "AC"; empty for anything else."""
    plain = _plain(text)
    found = re.findall("[A-J]", plain)
    run = len(plain) > 1 and "".join(sorted(set(found))) == plain  # in their order, as no word's are
    return frozenset(found) if run or _JOINED.fullmatch(plain) else frozenset()


def letter(text: str) -> tuple[str | None, str]:
    """(letter, reason): "B" of "B", "(B)", "\\text{B}", "B. a bank"; (None, why) for none or several letters."""
    plain = _plain(text)
    if match := _ALONE.fullmatch(plain):
        return match[1].upper(), "one letter"
    if match := _WITH_REASON.fullmatch(plain):
        return match[1], "one letter with its reason"
    if (match := _WITH_TEXT.fullmatch(plain)) and len(_marked(_REASON.split(plain)[0])) == 1:
        return match[1] or match[2], "one letter with its text"
    found = set(_ANY.findall(plain))
    if len(found) == 1 and (match := _WITH_ASIDE.fullmatch(plain)):
        return match[1], "one letter with its text"
    return None, "several answers" if len(found) > 1 else "no letter from A to J"


def _plain(text: str) -> str:
    """Without fonts, brackets and the words that introduce a choice."""
    plain = (
        _WRAPPED.sub(r"\1", clean(text))
        .replace("**", "")
        .replace("*", " ")
        .replace("\\{", "{")
        .replace("\\}", "}")
        .strip()
        .strip("{}")
        .strip()
    )
    return _LEAD.sub("", plain).strip().rstrip(".").strip()


def _marked(text: str) -> set[str]:
    """Letters written as choices, "(B)" or "B." or joined by or/and; an article "A" in the text is none."""
    marks = re.findall(
        r"(?<![A-Za-z])\(?([A-J])(?:\)|[.:](?=\s|$))|(?:\bor|\band|,)\s+\(?([A-J])\)?(?=\s|$|[.,])", text
    )
    return {a or b for a, b in marks}


def decide(gold: str, answer: str) -> Decision:
    """CORRECT for the gold's letter or letters, WRONG for others, NO_ANSWER for none or for several to choose from."""
    if wanted := letters(gold):
        same = letters(answer) == wanted
        return (Status.CORRECT, "same letters") if same else (Status.WRONG, "other letters")
    chosen, reason = letter(answer)
    if chosen is None:
        return Status.NO_ANSWER, reason
    right = chosen == letter(gold)[0]
    return (Status.CORRECT, "same letter") if right else (Status.WRONG, "another letter")


def check_gold(gold: str) -> GoldCheck:
    """A gold must name one letter, or several by a comma or "and"."""
    return letter(gold)[0] is not None or bool(letters(gold)), "is no letter from A to J"


CHOICE = AnswerKind(Kind.CHOICE, decide, check_gold)
