"""The part of a response that is graded: after its thinking, before any chat control token."""

from __future__ import annotations

import re

TAIL = 20_000
"""Characters of the graded part that are read, from its end."""

_THINK = re.compile(
    r"< ?(?P<close>/?) ?think(?:ing)?\s*>|(?P<begun><[|｜]begin_of_thought[|｜]>)"
    r"|\\end\{think(?:ing)?\}|<[|｜]end_of_thought[|｜]>",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\s`'\"]*(?:tags?|blocks?|sections?|tokens?)\b")
"""What stands behind a mark of thinking that is only spoken of: "in <think> tags"."""
_SOLUTION = re.compile(r"<[|｜](?:begin|end)_of_(?:thought|solution)[|｜]>", re.IGNORECASE)
_CONTROL = re.compile(r"<(?:[|｜](?=[\w▁])[\w▁ ]{1,40}[|｜]>|/s>|(?:start|end)_of_turn>)|\[/?INST\]|\n(?:Human|User):")
"""Where a turn ends, in the spellings of the common chat templates and of base models."""
_OPENING = re.compile(
    r"\s*(?:<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<\|im_start\|>\s*assistant\b|<｜Assistant｜>)"
)


def graded(response: str) -> str | None:
    """After the last end of thinking, before any control token. None where thinking never ends."""
    start, still_open = 0, False
    for match in _THINK.finditer(response) if "<" in response or "\\end{" in response else ():
        opens = match["close"] == "" or match["begun"] is not None
        if opens and _QUOTED.match(response, match.end()):
            continue
        still_open = opens
        start = start if opens else match.end()
    if still_open:
        return None
    text = response[start:]
    text = _SOLUTION.sub("", text) if "<" in text else text
    if opening := _OPENING.match(text):
        text = text[opening.end() :]
    control = _CONTROL.search(text)
    return text[: control.start()] if control else text
