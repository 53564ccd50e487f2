"""The part of a response that is graded: after its thinking, before any chat control token."""

from __future__ import annotations

import re

TAIL = 20_000
"""Characters of the graded part that are read, from its end."""

THINKING = re.compile(
    r"< ?(?P<close>/?) ?(?:seed:)?think(?:ing)?\s*>"
    r"|(?P<begun><[|｜]begin_of_thought[|｜]>|(?-i:\[THINK\])|◁think▷|<\|channel\|>(?:analysis|commentary)<\|message\|>)"
    r"|\\end\{think(?:ing)?\}|<[|｜]end_of_thought[|｜]>|(?-i:\[/THINK\])|◁/think▷|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
"""Where thinking begins and ends, in the spellings of the models that write it."""
_BEGINNINGS = ("<", "\\end{", "THINK]", "◁")
"""A response without any of these has no mark of thinking."""
_QUOTED = re.compile(r"[\s`'\"]*(?:tags?|blocks?|sections?|tokens?)\b")
"""What stands behind a mark of thinking that is only spoken of: "in <think> tags"."""
_SOLUTION = re.compile(r"<[|｜](?:begin|end)_of_(?:thought|solution)[|｜]>", re.IGNORECASE)
_CONTROL = re.compile(r"<(?:[|｜](?=[\w▁])[\w▁ ]{1,40}[|｜]>|/s>|(?:start|end)_of_turn>)|\[/?INST\]|\n(?:Human|User):")
"""Where a turn ends, in the spellings of the common chat templates and of base models."""
_OPENING = re.compile(
    r"\s*(?:<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<\|im_start\|>\s*assistant\b|<｜Assistant｜>)"
)


def opens(mark: re.Match[str]) -> bool:
    """Whether this match of ``THINKING`` begins a thought rather than ends one."""
    return mark["close"] == "" or mark["begun"] is not None


def last_mark(prompt: str) -> re.Match[str] | None:
    """The mark of thinking that a prompt ends with, blanks aside; None where it ends with none."""
    end = prompt.rstrip()
    last = max(THINKING.finditer(end), key=lambda mark: mark.start(), default=None)
    return last if last is not None and last.end() == len(end) else None


def graded(response: str, opened: bool = False) -> str | None:
    """After the last end of thinking, before any control token. None where thinking never ends: that of the response,
    or that which the prompt ``opened`` before it."""
    start, still_open = 0, opened
    for match in THINKING.finditer(response) if any(mark in response for mark in _BEGINNINGS) else ():
        begins = opens(match)
        if begins and _QUOTED.match(response, match.end()):
            continue
        still_open = begins
        start = start if begins else match.end()
    if still_open:
        return None
    text = response[start:]
    text = _SOLUTION.sub("", text) if "<" in text else text
    if opening := _OPENING.match(text):
        text = text[opening.end() :]
    control = _CONTROL.search(text)
    return text[: control.start()] if control else text
