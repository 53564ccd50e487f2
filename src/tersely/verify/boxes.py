"""The boxed answer of a text: its boxes, those that hold nothing, and those that are only a part of something."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tersely.verify.grammar import matching


@dataclass(frozen=True, slots=True)
class Box:
    """An outermost box; ``content`` None for one that never closes (always the last of a text)."""

    start: int
    end: int
    content: str | None


_BOX = re.compile(r"\\f?box(?:ed)?(?![A-Za-z])\s*")
_BARE = re.compile(r"[-+]?\d[\d,.]*|[A-Za-z](?![A-Za-z])")
_NUMBER = re.compile(r"\s*[-+]?\d*\.?\d+\s*")
_PERCENT = re.compile(r"\s?\\?%")
"""Behind the box of a number it belongs to it: ``\\boxed{50}\\%``."""
_SLIP = re.compile(r"\{\\\}")
_PLACEHOLDER = re.compile(
    r"(?:\\text(?:bf|rm)?|\\mathrm|\\(?:[lc]?dots|quad|square|Box|underline|[,;!: ])|[\s{}.…_$?~]|\\_"
    r"|\\(?:[hv]?phantom|[hv]space\*?)\{[^{}]*\}"
    r"|(?:the |your |my )?(?:final )?answer(?: here)?(?![A-Za-z]))*",
    re.IGNORECASE,
)
"""Nothing at all, dots, or the words of the instruction: quoted, never an answer."""


def boxes_of(text: str) -> list[Box]:
    """Every outermost box that is no placeholder, in order."""
    found: list[Box] = []
    at = 0
    while match := _BOX.search(text, at):
        box = _box(text, match)
        at = match.end() if box is None else box.end
        if box is not None and not (box.content is not None and _PLACEHOLDER.fullmatch(box.content)):
            found.append(box)
    return found


def has_placeholder(text: str) -> bool:
    """Whether the text names a box at all: with no other one it then has an empty one."""
    return _BOX.search(text) is not None


def _box(text: str, match: re.Match[str]) -> Box | None:
    at = match.end()
    if slip := _SLIP.match(text, at):  # "\boxed{\}" of an escaped instruction
        return Box(match.start(), slip.end(), "")
    if text[at : at + 1] == "{":
        close = matching(text, at)
        if close < 0:
            return Box(match.start(), len(text), None)
        if _NUMBER.fullmatch(text, at + 1, close) and (percent := _PERCENT.match(text, close + 1)):
            return Box(match.start(), percent.end(), rf"{text[at + 1 : close]}\%")
        return Box(match.start(), close + 1, text[at + 1 : close])
    bare = _BARE.match(text, at)
    return Box(match.start(), bare.end(), bare.group()) if bare else None


def unwrap(content: str) -> str:
    """The inside of boxes in boxes, where the inner one is the whole content."""
    content = content.strip()
    for _ in range(3):
        inner = _BOX.match(content)
        if (
            inner is None
            or content[inner.end() : inner.end() + 1] != "{"
            or matching(content, inner.end()) != len(content) - 1
        ):
            break
        content = content[inner.end() + 1 : -1].strip()
    return content


_OPERATOR = r"(?:cdot|times|div|pm|mp|cup|cap|circ)(?![A-Za-z])"
_FUNCTION = r"(?:sqrt|[dtc]?frac|pi|sin|cos|tan|cot|sec|csc|log|ln|exp|infty|theta|alpha|beta)(?![A-Za-z])"
_BEFORE = re.compile(
    # a digit, a sign, an operator, a function or a brace of it: a part of a larger formula
    rf"(?:\d|(?<!-)-|[\d)}}][ ]?[+/]\s*|\\{_OPERATOR}\s*|\\{_FUNCTION}\s*(?:\[[^\[\]]*\]|\{{[^{{}}]*\}})?\s*[{{(]?"
    r"|[\^_]\{?)\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:(?:\b|\bcan)not|n['’]t|\bnever|\brather than|\binstead of)"
    r"(?: be)?(?: (?:equal to|simply|just))?[\s$*\\(\[:]*\Z",
    re.IGNORECASE,
)
_FORMULA_ENDS = frozenset("-+/{}()]^_ \t\r\n\v\f")
"""What a formula that a box goes on may end with, beside digits and the letters of commands."""
_SCALE = "(?:dozen|hundred|thousand|million|billion|trillion)s?"
_AFTER = re.compile(
    rf"(?:[.,:]|\{{,\}})?\d|_\{{?\d|\s*\\text\{{\s*{_SCALE}\b|\^(?!\s*\{{?\s*\\(?:circ|text))|/\s*\d|\s*[+*/-]\s*(?:\d|\\{_FUNCTION})|\s*\\{_OPERATOR}"
    rf"|\s*\\{_FUNCTION}|[xyzi](?![A-Za-z])"
)
_REFUTED = re.compile(
    r"[\s$*.,)\\\]]{0,8}\b(?:is|was|would be|seems|looks)\s+(?:clearly |actually )?"
    r"(?:(?:not|n['’]t)\s+(?:correct|right|the (?:correct |right |final )?answer)|wrong|incorrect|false)\b"
    r"|[\s$*.,)\\\]]{0,8}\b(?:wait|sorry|oops|actually|no|hmm|correction)\b\W{1,4}(?:but )?"
    r"(?:(?:this|that|it|(?:the|my) answer)(?:['’]s| is| was) (?:clearly |actually )?"
    r"(?:not (?:correct|right)|wrong|incorrect)\b"
    r"|(?:this|that|it|the answer) should (?:be|have been)\b|i (?:meant|made (?:a mistake|an error))\b)",
    re.IGNORECASE,
)
"""What takes a box back right behind it: "\\boxed{5} is wrong", "Wait, this is wrong", "Sorry, it should be 6"."""


_PLACES = (
    (re.compile(r"(?<!\\)\(\s*\Z"), re.compile(r"\s*,\s*[-+\d]")),
    (re.compile(r"\d\s*,\s*\Z"), re.compile(r"\s*(?:\\right\s*)?\)")),
)
"""Around a box that is one place of a tuple: ``(\\boxed{7}, 8)``."""


def is_part(box: Box, text: str) -> bool:
    """Whether the box is denied, refuted, or a part of a number or formula that goes on outside it."""
    before = text[max(0, box.start - 40) : box.start]
    goes_on = before[-1:].isalnum() or before[-1:].isspace() or before[-1:] in _FORMULA_ENDS
    if goes_on and _BEFORE.search(before):
        return True
    if any(left.search(before) and right.match(text, box.end) for left, right in _PLACES):
        return True
    return any((_DENIED.search(before), _AFTER.match(text, box.end), _REFUTED.match(text, box.end)))


_JOINING = {"or", "and", "maybe", "possibly", "perhaps", "alternatively", "either", "also", "else"}
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_ENUMERATED = re.compile(r"(?<=\s)(?:\([0-9a-d]\)|[0-9][.)])\s*\Z")
"""The number of a part, before its label: "(2) The second root is"."""
_LABEL = re.compile(r"(?<![A-Za-z\\])((?:[A-Za-z]|\\[A-Za-z]+)(?:_\{?\w+\}?)?)\s*=\s*\Z")
_NUMBERED = re.compile(
    r"\b(?:the\s+)?(first|second|third|fourth|other)\s+(root|solution|value|number|zero|intercept|part)"
    r"\s*(?:is|=|:)?[\s$]*\Z",
    re.IGNORECASE,
)


def _only_joins(between: str) -> bool:
    """True where the text between two boxes only joins them: "or", "and", a comma, or nothing at all."""
    if len(between) > 60:
        return False
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r"\\text|\\quad|\\qquad", " ", between))
    return all(word.lower() in _JOINING for word in words)


@dataclass(frozen=True, slots=True)
class _Label:
    """What names a box: a variable ("a=") or a numbered word ("second root:"), and where it starts."""

    name: str
    noun: str
    start: int


def _label(box: Box, text: str) -> _Label | None:
    start = max(0, box.start - 40)
    before = text[start : box.start]
    if match := _LABEL.search(before):
        return _Label(match[1], "", start + match.start())
    if match := _NUMBERED.search(before):
        return _Label(match[1].lower(), match[2].lower(), start + match.start())
    return None


def answer(boxes: list[Box], text: str) -> str:
    """The content of the last box with those before it that are parts of the same answer, in order."""
    last = boxes[-1]
    if len(boxes) == 1:
        return unwrap(last.content or "")
    parts = [(last, _label(last, text))]
    for box in reversed(boxes[:-1]):
        following, label = parts[0]
        if box.content is None or not _belongs(box, following, label, text):
            break
        parts.insert(0, (box, _label(box, text)))
    named = len({label.name for _, label in parts if label is not None and not label.noun}) == len(parts) > 1
    found = [
        f"{label.name}={unwrap(box.content or '')}" if named and label else unwrap(box.content or "")
        for box, label in parts
    ]
    joined = text[parts[0][0].end : last.start]
    return (r" \text{ or } " if _OR.search(joined) else " , ").join(dict.fromkeys(found))


def _belongs(box: Box, following: Box, label: _Label | None, text: str) -> bool:
    """Whether ``following`` goes on with the answer of ``box``: joined by a word, or labelled in the same way."""
    if _only_joins(text[box.end : following.start]):
        return True
    mine = _label(box, text)
    if label is None or mine is None or mine.noun != label.noun or mine.name == label.name:
        return False
    return _only_joins(_ENUMERATED.sub("", text[box.end : label.start]))
