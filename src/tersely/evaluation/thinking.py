"""How many of a response's tokens are thinking: those up to and including the last ``</think>``.

Counted on the sampled token ids; the text is never encoded again. The judge reads the answer behind the same tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tersely.models.text import ResponseText
from tersely.records import Rollout
from tersely.verify.visible import THINKING, opens


class ThinkingCounter:
    """Counts for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._text = ResponseText(tokenizer)
        marks = {index: mark for token, index in tokenizer.get_vocab().items() if (mark := _last_mark(token))}
        self._open = {index for index, mark in marks.items() if opens(mark)}
        self._close = marks.keys() - self._open

    def __call__(self, rollout: Rollout) -> int:
        """Of a response whose ids were sampled."""
        return self.count(rollout.prompt_tokens, rollout.tokens, rollout.text)

    def count(self, prompt: Sequence[int], tokens: Sequence[int], text: str) -> int:
        """Tokens of thinking among ``tokens``.

        Up to and including the last closing tag; all of them where thinking was opened (by the prompt or the
        response) and never closed; 0 where neither tag is there. A tag that the tokenizer spells with several tokens
        is looked for in the decoded text.
        """
        for place in range(len(tokens) - 1, -1, -1):
            if tokens[place] in self._close:
                return place + 1
        if not self._close and _closings(text):
            return self._spelled(tokens)
        opened = _begins(text) or any(t in self._open for t in tokens) or self._text.opens_thinking(prompt)
        return len(tokens) if opened else 0

    def _spelled(self, tokens: Sequence[int]) -> int:
        """Tokens up to the end of the last tag, from as short an ending of them as holds it.

        The ending is doubled until its text has a tag; its shortest beginning with as many tags ends with the last.
        """
        width = 16
        while not _closings(self._text(tokens[-width:])) and width < len(tokens):
            width *= 2
        ending = tokens[-width:]
        wanted = _closings(self._text(ending))
        low, high = 0, len(ending)
        while low < high:
            middle = (low + high) // 2
            if _closings(self._text(ending[:middle])) < wanted:
                low = middle + 1
            else:
                high = middle
        return len(tokens) - len(ending) + low


def _closings(text: str) -> int:
    return sum(not opens(mark) for mark in THINKING.finditer(text))


def _begins(text: str) -> bool:
    return any(map(opens, THINKING.finditer(text)))


def _last_mark(text: str) -> re.Match[str] | None:
    return max(THINKING.finditer(text), key=lambda mark: mark.start(), default=None)
