"""The answer that prose states without a box: tags, "#### X", "the answer is X", a heading, a last line."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found: ``answer`` (raw text, not yet cleaned) or None, and by which rule or why not."""

    answer: str | None
    reason: str


_TAGS = re.compile(r"<answer>((?:(?!</?answer>).)*)(</answer>|\Z)", re.IGNORECASE | re.DOTALL)
_HASHES = re.compile(r"^[ \t]*####[ \t]*([^\n]*\S)", re.MULTILINE)
_STATED = re.compile(
    r"\b(?:final\s+|correct\s+)?(?:answer|option|choice)s?\b(?:\*\*)?"
    r"\s*(?:is|are|=|:|should be|must be|will be)(?:\*\*)?[ \t]*:?[ \t]*\n?"
    r"|^[ \t]*(?:#{1,6}[ \t]*|\*\*)(?:the\s+)?(?:final\s+)?answer[ \t]*:?[ \t]*(?:\*\*)?[ \t]*\n",
    re.I | re.M,
)
_COURTESY = re.compile(
    r"(?:very |quite )?(?:helpful|useful|clear|satisfactory|of help|correct|right|what you)\b[^\n.!]*[.!]?\s*\Z", re.I
)
"""A later sentence about the answer that states none: "I hope this answer is helpful"."""
_OPTION = re.compile(
    r"(?:\b(?:is|be|choose|select|pick)|['’]s)\s+(?:option|choice)\s+\**\(?([A-J])\)?\**[.!]?\s*\Z", re.IGNORECASE
)
_DOUBT = re.compile(
    r"\d|don't know|do not know|not sure|cannot|can't|unsure|wrong|no idea|\bno[.!,](?=\s|$)", re.IGNORECASE
)
_LETTERED = re.compile(r"\(?[A-J][).:]\s*\S")
"""A choice with its text, of which what follows may speak with numbers and name other letters."""
_TAKEN_BACK = re.compile(
    r"\b(?:actually|sorry|wait|correction|oops|scratch that|hmm|or|rather|instead)\b", re.IGNORECASE
)
_UNSURE = re.compile(r"\b(?:not sure|unsure|don't know|do not know|no idea)\b|\?\s*\Z", re.I)
_EXPLAINED = re.compile(
    r"^\W{0,8}(?:explanation|reason(?:ing)?|rationale|justification|because|solution)\b", re.I | re.M
)
_SENTENCE_END = re.compile(r"(?<![A-Z])[.!?](?:\s+(?=[A-Z\\*$(])|\s*$)")
_WITHDRAWN = re.compile(
    r"\W{0,6}(?:(?:actually|sorry|wait|correction|oops|scratch that|no)\b[^\n]{0,60}\d|no[.!]\s*\Z)", re.IGNORECASE
)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*[.!]?")
_MATH_LINE = re.compile(r"(?:\$\$?([^$\n]+)\$\$?|\\\[([^\n]+)\\\]|\\\(([^\n]+)\\\))[.!]?")
_SHORT = re.compile(r"\(?[-+]?[\d.,/ ()]*\d[\d.,/ ()%]*|\(?[A-Ja-j]\)?[.:]?|\(?[A-J][).:][^\n]{1,80}")

_ADVERBS = re.compile(r"(?:(?:indeed|therefore|thus|hence|then|simply|just|clearly|exactly|now)\b,?\s+)+", re.I)
_SENTENCE = re.compile(
    r"[A-Za-z](?:[A-Za-z0-9 ,'’()-]|\$[^$\n]{1,60}\$)*?\b"
    r"(?:is|are|was|were|equals|be|get|gets|obtain|have|has|had|needs?|costs?|takes?|earns?|pays?|makes?|becomes?)\s+"
    r"(?:(?:equal to|exactly|indeed|therefore|thus|simply)\s+)*(?=[-+\d\\$(])(.*)",
    re.DOTALL,
)
_HEDGED = re.compile(r"\b(?:not|never|no|between|less|more|least|most|about|if|or|isn|aren|cannot|than|maybe)\b", re.I)


def value_of_sentence(text: str) -> str:
    """ "The area of the kite is 45." -> "45": one plain sentence whose last words are the value. Else ``text``."""
    text = _ADVERBS.sub("", text, count=1) if _ADVERBS.match(text) else text
    plain = text.replace("**", "").strip().removesuffix(".")
    match = _SENTENCE.fullmatch(plain) if len(plain) <= 400 else None
    if match is None or _HEDGED.search(plain[: match.start(1)]):
        return text
    return match[1].strip()


def last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match; as linear as the pattern."""
    return max(pattern.finditer(text), key=lambda match: match.start(), default=None)


def tagged(text: str) -> re.Match[str] | None:
    """The last ``<answer>X</answer>``, or an ``<answer>X`` that a stop string left open at the end."""
    return last(_TAGS, text) if "<" in text else None


def from_tags(found: re.Match[str], text: str) -> Extraction:
    """The answer in tags, unless it is taken back right behind them."""
    if _WITHDRAWN.match(text, found.end()):
        return Extraction(None, "the answer is taken back")
    return Extraction(value_of_sentence(found.group(1).strip()) or None, "answer tags")


def from_prose(text: str) -> Extraction:
    """The answer that is stated in words, by the last rule that finds one."""
    if (hashes := last(_HASHES, text)) is not None and not _heading(hashes[1]):
        if _WITHDRAWN.match(text, hashes.end()):
            return Extraction(None, "the answer is taken back")
        return Extraction(hashes.group(1).strip(), "#### line")
    return _stated(text) or _last_line(text) or Extraction(None, "no final answer stated")


def _heading(text: str) -> bool:
    """ "#### Final answer" heads a paragraph."""
    return re.fullmatch(r"\W*(?:the\s+)?(?:final\s+)?answer\W*", text, re.IGNORECASE) is not None


def _stated(text: str) -> Extraction | None:
    """The last "answer is X": X to the end of its sentence, nothing with a number or a doubt in it afterwards."""
    found = [match for match in _STATED.finditer(text) if not _COURTESY.match(text, match.end())]
    if not found:
        option = _OPTION.search(text[-200:])
        return Extraction(option[1], "stated option") if option else None
    rest = text[found[-1].end() :].lstrip().removeprefix("}").lstrip()
    line, _, after = rest.partition("\n")
    if end := _SENTENCE_END.search(line):
        asked = line[end.start()] == "?"
        line, after = line[: end.start()] + "?" * asked, line[end.end() :] + after
    if _doubted(line, _EXPLAINED.split(after, maxsplit=1)[0]):
        return Extraction(None, "text with a number or a doubt follows the stated answer")
    line = line.strip().strip("*").strip()
    if _UNSURE.search(line):
        return Extraction(None, "a doubt in the stated answer")
    return Extraction(value_of_sentence(line), "stated answer") if line and len(line) <= 400 else None


def _doubted(stated: str, after: str) -> bool:
    """Whether what follows a stated answer throws doubt on it: a choice may be explained with numbers."""
    explained = _LETTERED.match(stated.strip("* ")) and not _TAKEN_BACK.search(after)
    return _DOUBT.search(re.sub(r"\d", "", after) if explained else after) is not None


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
