"""Which problems can be trained on, judged by their text and their gold answer alone. Pure: standard library only.

Every rule is a named reason, and a problem is counted under the first that holds, in the order of ``Reason``.
"""

from __future__ import annotations

import re
from enum import StrEnum

from tersely.records import Kind, Problem, Status
from tersely.verify.grammar import Refused, Unparsed, clean, is_real, number, read
from tersely.verify.judge import judge_here


class Reason(StrEnum):
    """Why a problem is left out."""

    PROOF = "proof"
    PARTS = "several parts"
    FIGURE = "figure missing"
    UNREADABLE = "gold not readable"
    NOT_NUMERIC = "gold not a number"
    CONFLICT = "same question, other answer"
    DUPLICATE = "duplicate"
    OVERLAP = "overlaps evaluation"


_PROOF = re.compile(
    r"\b(?:prove|disprove)\b|\b(?:show|demonstrate|verify|establish)\b(?:,[^,.]{1,40},|\s+by\s+\w+)?\s+(?:that|why)\b",
    re.IGNORECASE,
)
_ASKS = (
    r"\b(?:find|determine|compute|calculate|evaluate|solve|simplify|express|what|how\s+(?:many|much|long|far|old)"
    r"|which\s+of|give)\b"
)
_QUESTION = re.compile(rf"\?|{_ASKS}", re.IGNORECASE)
_PART_TASK = re.compile(
    r"\?|\bwhat\s+(?:is|are|was|were|will|would|must|does|do|can|percent\w*|fraction)\b|\bhow\s+(?:many|much)\b"
    r"|(?:^|[.;:,!)}$>\n\\]|\b(?:then|and|please|to))\s*(?:find|determine|compute|calculate|evaluate|solve|simplify"
    r"|express|prove|show\s+that|sketch|plot|draw|write|state|explain|describe|discuss|try\s+to|estimate)\b",
    re.IGNORECASE,
)

_FAMILIES = (
    tuple("abcdef"),
    tuple("123456"),
    ("i", "ii", "iii", "iv", "v", "vi"),
    ("I", "II", "III", "IV", "V", "VI"),
    tuple("ⅠⅡⅢⅣⅤⅥ"),
)
"""How parts are labelled. Capital letters are left out: (A) to (E) are the choices of a multiple-choice question."""
_LABEL = r"[a-f]|[1-6]|i{1,3}|iv|vi?|I{1,3}|IV|VI?|[Ⅰ-Ⅵ]"
_MARKER = re.compile(
    rf"(?<![\w)\]}}^|=+*/-])\$?[(（]\s*({_LABEL})\s*[)）]\$?"
    rf"|(?m:^)\s*(?:Part|Question)?\s*({_LABEL})[.):](?=\s)"
    rf"|(?<=[.?!;:]\s)({_LABEL})\)(?=\s)"
)
_TWO_QUESTIONS = re.compile(
    r"\b(?:what|how|find|determine)\b[^?]*\?\s+(?:and\s+)?(?:also,?\s+)?(?:what|how\s+many|how\s+much)\b[^?]*\?",
    re.IGNORECASE,
)

_DRAWN = re.compile(r"\[asy\]|\\begin\{(?:tikzpicture|picture|asy|array|tabular|[a-zA-Z]*matrix)\}")
_PICTURE = r"(?:figure|diagram|picture|image|drawing|illustration|sketch|graph|chart)"
_FIGURE = re.compile(
    r"!\[[^\]]*\]\(|\\includegraphics|<img\b|<image|\[image\]|https?://\S+"
    r"|\b(?:in|on|from|using|see|to)\s+the\s+(?:\w+\s+)?(?:figure|diagram|picture|illustration)\b"
    rf"|\b{_PICTURE}s?\s+(?:is\s+|are\s+)?(?:shown|below|above|at\s+(?:the\s+)?(?:right|left)|on\s+the\s+(?:right|left))\b"
    r"|\b(?:diagram|figure|picture)s?\s+(?:below\s+)?shows?\b"
    r"|\b(?:shown|pictured|depicted|drawn|illustrated)\s+(?:here|below|above|at\s+(?:the\s+)?right)\b"
    r"|\bas\s+(?:shown|pictured|depicted|illustrated)\b",
    re.IGNORECASE,
)


def text_reason(question: str, numeric: bool) -> Reason | None:
    """The reason that the question's text gives; ``numeric`` says that its gold answer is a number."""
    if is_proof(question, numeric):
        return Reason.PROOF
    if has_parts(question):
        return Reason.PARTS
    if lacks_figure(question):
        return Reason.FIGURE
    return None


def is_proof(question: str, numeric: bool) -> bool:
    """Asks for a proof. One that also asks for something, with a number as its gold answer, is none."""
    return bool(_PROOF.search(question)) and not (numeric and _QUESTION.search(_PROOF.sub(" ", question)))


def has_parts(question: str) -> bool:
    """Asks for more than one thing: labelled parts of which two or more give a task, or two questions in a row.

    Labelled conditions followed by one question ("(i) ..., (ii) .... Find n.") are one part.
    """
    return any(_tasks(question, family) > 1 for family in _FAMILIES) or bool(_TWO_QUESTIONS.search(question))


def _tasks(question: str, family: tuple[str, ...]) -> int:
    """How many of the parts labelled by consecutive members of ``family`` give a task."""
    starts: list[tuple[int, int]] = []
    for match in _MARKER.finditer(question):
        label = match[1] or match[2] or match[3]
        if len(starts) < len(family) and label == family[len(starts)]:
            starts.append(match.span())
    ends = [start for start, _ in starts[1:]] + [len(question)]
    if len(starts) < 2:
        return 0
    return sum(bool(_PART_TASK.search(question[begin:end])) for (_, begin), end in zip(starts, ends, strict=True))


def lacks_figure(question: str) -> bool:
    """Refers to a picture that is not there. One drawn in the text itself (Asymptote, TikZ, a table) can be read."""
    return bool(_FIGURE.search(question)) and not _DRAWN.search(question)


def is_number(gold: str) -> bool:
    """Whether the checker's own reader finds one real number: integer, fraction, decimal, or a value like 2\\sqrt{3}.

    A unit, a percent sign or a currency beside it is fine. Lists, points, intervals, equations, formulas with
    variables, numerals of another base, words and complex numbers are not.
    """
    if number(clean(gold)) is not None:
        return True
    try:
        return is_real(read(gold))
    except (Refused, Unparsed):
        return False


def gold_is_number(problem: Problem) -> bool:
    """True for a letter of a multiple-choice question too: what is asked is that the answer be decidable."""
    return problem.kind == Kind.CHOICE or (problem.kind == Kind.MATH and is_number(problem.gold))


def same_gold(a: Problem, b: Problem) -> bool:
    """Whether the checker takes either gold for the other; decides between duplicate and conflict."""
    pairs = ((a, b), (b, a))
    return any(judge_here(x.gold, f"\\boxed{{{y.gold}}}", x.kind)[0].status is Status.CORRECT for x, y in pairs)
