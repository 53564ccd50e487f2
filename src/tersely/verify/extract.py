"""The final answer of a response, in time linear in its length.

Rules, in this order.
1. Only text after the last ``</think>`` counts, and of it only what comes before a chat control token such as
   ``<|im_end|>``; a thinking block that is opened and never closed leaves no answer. At most the last 20,000
   characters are read.
2. The last ``\\boxed{...}`` (or ``\\fbox``) with balanced braces, the outermost one. It beats everything else but an
   ``<answer>X</answer>`` that follows it. An empty one, a last one that never closes, or one that is denied ("not
   \\boxed{5}") or a part of something larger ("-\\boxed{5}", "\\boxed{5}^2") is no answer; other prose around it is
   not read. Boxes joined by nothing but "or", "and" or a comma are one list of answers.
3. Without any box: the last ``<answer>X</answer>``; else the last line ``#### X``; else the last "(final) answer
   is X" or "Answer: X" with no number or doubt after it (but for a paragraph that calls itself an explanation); else
   a last line that is all bold or all mathematics; else a response that is nothing but a short answer.
4. Nothing is guessed from the last number of some prose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tersely.verify.grammar import matching

TAIL = 20_000
"""Characters of the response that are read, from its end."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found: ``answer`` (raw text, not yet cleaned) or None, and by which rule or why not."""

    answer: str | None
    reason: str


_THINK = re.compile(r"< ?(/?) ?think(?:ing)?\s*>", re.IGNORECASE)
_CONTROL = re.compile(
    r"<(?:[|｜](?=[\w▁])(?!(?:begin|end)_of_(?:thought|solution)[|｜])[\w▁ ]{1,40}[|｜]>|/s>|(?:start|end)_of_turn>)"
    r"|\[/?INST\]|\n(?:Human|User):"
)
"""Where a turn ends, in the spellings of the common chat templates and of base models."""
_OPENING = re.compile(
    r"\s*(?:<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<\|im_start\|>\s*assistant\b|<｜Assistant｜>)"
)
_BOX = re.compile(r"\\f?box(?:ed)?(?![A-Za-z])\s*")
_BARE = re.compile(r"[-+]?\d[\d,.]*|[A-Za-z](?![A-Za-z])")
_JOINING = {"or", "and", "maybe", "possibly", "perhaps", "alternatively", "either", "also", "else"}


def visible(response: str) -> str | None:
    """The part that is graded: after the thinking, before any control token. None where thinking never ends."""
    start = 0
    still_open = False
    for match in _THINK.finditer(response):
        still_open = not match.group(1)
        if match.group(1):
            start = match.end()
    if still_open:
        return None
    text = response[start:]
    if opening := _OPENING.match(text):
        text = text[opening.end() :]
    if control := _CONTROL.search(text):
        text = text[: control.start()]
    return text[-TAIL:]


def _boxes(text: str) -> list[tuple[int, int, str | None]]:
    """(start, end, content) of every outermost box; content None for one that never closes (always the last)."""
    found: list[tuple[int, int, str | None]] = []
    at = 0
    while match := _BOX.search(text, at):
        if match.end() < len(text) and text[match.end()] == "{":
            close = matching(text, match.end())
            if close < 0:
                return [*found, (match.start(), len(text), None)]
            found.append((match.start(), close + 1, text[match.end() + 1 : close]))
            at = close + 1
        elif bare := _BARE.match(text, match.end()):
            found.append((match.start(), bare.end(), bare.group()))
            at = bare.end()
        else:
            at = match.end()
    return found


def _unwrap(content: str) -> str:
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


def _joined(between: str) -> bool:
    """True where the text between two boxes only joins them: "or", "and", a comma, or nothing at all."""
    if len(between) > 60:
        return False
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r"\\text|\\quad|\\qquad", " ", between))
    return all(word.lower() in _JOINING for word in words)


# Right before or after a box: it is one part of a larger number or formula, or denied.
_BEFORE = re.compile(
    r"(?:\d|(?<!-)-|(?:(?:\b|\bcan)not|n['’]t|\bnever|\brather than|\binstead of)"
    r"(?: be)?(?: (?:equal to|simply|just))?[\s$*\\(\[:]*)\Z",
    re.IGNORECASE,
)
_AFTER = re.compile(r"[.,]?\d|\^(?!\s*\{?\s*\\(?:circ|text))|/\s*\d")


def _from_boxes(boxes: list[tuple[int, int, str | None]], text: str) -> Extraction:
    start, end, content = boxes[-1]
    if content is None:
        return Extraction(None, "the last box never closes")
    if _BEFORE.search(text[max(0, start - 40) : start]) or _AFTER.match(text, end):
        return Extraction(None, "the box is denied or only a part of the answer")
    answers = [_unwrap(content)]
    for left, right in zip(reversed(boxes[:-1]), reversed(boxes[1:]), strict=True):
        if left[2] is None or not _joined(text[left[1] : right[0]]):
            break
        if _unwrap(left[2]) not in answers:
            answers.insert(0, _unwrap(left[2]))
    if not all(answers):
        return Extraction(None, "empty box")
    return Extraction(" , ".join(answers), "box")


_TAGS = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
_HASHES = re.compile(r"^[ \t]*####[ \t]*([^\n]*\S)", re.MULTILINE)
_STATED = re.compile(
    r"\b(?:final\s+|correct\s+)?(?:answer|option|choice)s?\b(?:\*\*)?"
    r"\s*(?:is|are|=|:|should be|must be|will be)(?:\*\*)?[ \t]*:?[ \t]*\n?",
    re.I,
)
_DOUBT = re.compile(r"\d|don't know|do not know|not sure|cannot|can't|unsure|wrong|no idea", re.IGNORECASE)
_UNSURE = re.compile(r"\b(?:not sure|unsure|don't know|do not know|no idea)\b", re.I)
_EXPLAINED = re.compile(
    r"^\W{0,8}(?:explanation|reason(?:ing)?|rationale|justification|because|solution)\b", re.I | re.M
)
_SENTENCE_END = re.compile(r"(?<![A-Z])[.!?](?:\s+(?=[A-Z\\*$(])|\s*$)")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*[.!]?")
_MATH_LINE = re.compile(r"(?:\$\$?([^$\n]+)\$\$?|\\\[([^\n]+)\\\]|\\\(([^\n]+)\\\))[.!]?")
_SHORT = re.compile(r"\(?[-+]?[\d.,/ ()]*\d[\d.,/ ()%]*|\(?[A-Ja-j]\)?[.:]?|\(?[A-J][).:][^\n]{1,80}")


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match; as linear as the pattern."""
    return max(pattern.finditer(text), key=lambda match: match.start(), default=None)


def _stated(text: str) -> Extraction | None:
    """The last "answer is X": X to the end of its sentence, nothing with a number or a doubt in it afterwards."""
    last = _last(_STATED, text)
    if last is None:
        return None
    rest = text[last.end() :].lstrip().removeprefix("}").lstrip()
    line, _, after = rest.partition("\n")
    if end := _SENTENCE_END.search(line):
        line, after = line[: end.start()], line[end.end() :] + after
    if _DOUBT.search(_EXPLAINED.split(after, maxsplit=1)[0]):
        return Extraction(None, "text with a number or a doubt follows the stated answer")
    line = line.strip().strip("*").strip()
    if _UNSURE.search(line):
        return Extraction(None, "a doubt in the stated answer")
    return Extraction(line, "stated answer") if line and len(line) <= 400 else None


def _last_line(text: str) -> Extraction | None:
    line = text.strip().rsplit("\n", 1)[-1].strip()
    if len(line) > 400:
        return None
    if match := _BOLD.fullmatch(line):
        return Extraction(match.group(1).strip().removesuffix("."), "bold last line")
    if match := _MATH_LINE.fullmatch(line):
        return Extraction(next(g for g in match.groups() if g), "last line of mathematics")
    if line == text.strip() and len(line) <= 100 and _SHORT.fullmatch(line):
        return Extraction(line, "bare answer")
    return None


def extract(response: str) -> Extraction:
    """The one final answer of ``response`` by the rules above. Never raises, whatever the text."""
    text = visible(response)
    if text is None:
        return Extraction(None, "the thinking never ends")
    boxes, tags = _boxes(text), _last(_TAGS, text)
    if boxes and (tags is None or tags.start() < boxes[-1][1]):
        return _from_boxes(boxes, text)
    if tags is not None:
        return Extraction(tags.group(1).strip() or None, "answer tags")
    if (hashes := _last(_HASHES, text)) is not None:
        return Extraction(hashes.group(1).strip(), "#### line")
    return _stated(text) or _last_line(text) or Extraction(None, "no final answer stated")
