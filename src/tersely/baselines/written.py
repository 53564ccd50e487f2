"""What a response that somebody else wrote becomes for a student: ids that continue its prompt and end as its own do.

Text alone has other ids than text behind a prompt: some tokenizers put a space before whatever comes first. And text
may hold the student's control tokens, or begin the thought that the prompt has begun already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tersely.models.end_tokens import turn_end
from tersely.models.text import ResponseText
from tersely.records import Problem
from tersely.tasks.chat import chat_text, control_tokens
from tersely.tasks.prompts import Renderer
from tersely.verify.visible import THINKING, graded, opens

_SAID = "tersely said this"
"""An assistant's message that no template changes."""


class Written:
    """Encodes responses for one student and prompt template.

    Example: ``Written(tokenizer, "question", end_ids).response(problem, "so \\\\boxed{2}")`` is the ids to learn.
    """

    def __init__(self, tokenizer: Any, template: str, end_ids: Sequence[int]) -> None:
        self.prompt = Renderer(tokenizer, template)
        self._tokenizer, self._reading = tokenizer, ResponseText(tokenizer)
        chats = self.prompt.template.around is None
        own = [turn_end(tokenizer) if chats else None, tokenizer.eos_token_id, end_ids[0]]
        self.end = next(i for i in own if i is not None)
        """The id behind every response: the end of a turn where the prompt is a turn, else the end of text."""
        control = control_tokens(tokenizer)
        self._ends = tuple(control[i] for i in (self.end, *end_ids) if control.get(i))
        self._lead = _lead(tokenizer) if chats else ""
        marks = [mark for mark in control.values() if mark and not THINKING.fullmatch(mark.strip())]
        self._control = re.compile("|".join(map(re.escape, sorted(marks, key=len, reverse=True)))) if marks else None

    def response(self, problem: Problem, text: str) -> tuple[int, ...] | None:
        """Ids behind the prompt, the end included. None where the text holds a control token of the student, or never
        ends the thinking that the prompt begins: the student must not write that."""
        asked, said = self.prompt.text(problem), self._without_end(text)
        if self._control is not None and self._control.search(said):
            return None
        if self._reading.opens_thinking(self.prompt(problem)):
            said = _without_opening(asked, said)
            if graded(said, opened=True) is None:
                return None
        return (*self._behind(asked, said), self.end)

    def _without_end(self, text: str) -> str:
        """The text without the end tokens that its writer put behind it."""
        end = next((end for end in self._ends if text.rstrip().endswith(end)), None)
        return text if end is None else self._without_end(text.rstrip().removesuffix(end))

    def _behind(self, asked: str, said: str) -> list[int]:
        lead = "" if asked[-1:].isspace() or said[:1].isspace() else self._lead
        before, whole = self._ids(asked), self._ids(asked + lead + said)
        if whole[: len(before)] == before:
            return whole[len(before) :]
        return self._ids(said)  # The last token of the prompt would be merged with the first of the response.

    def _ids(self, text: str) -> list[int]:
        return [int(i) for i in self._tokenizer.encode(text, add_special_tokens=False)]


def opening(reading: ResponseText, prompt: Sequence[int]) -> str:
    """The beginning of a thought at the end of a prompt, as text; "" where the prompt opens none."""
    if not reading.opens_thinking(prompt):
        return ""
    end = reading(prompt)
    return end[[mark.start() for mark in THINKING.finditer(end)][-1] :]


def _lead(tokenizer: Any) -> str:
    """Blanks that the chat template writes between its prompt and an answer, as Llama 2's does."""
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": _SAID}]
    asked = chat_text(tokenizer, turns[:1], ask=True)
    whole = chat_text(tokenizer, turns, ask=False)
    between = whole[len(asked) :].partition(_SAID)[0] if whole.startswith(asked) else ""
    return between if not between.strip() else ""


def _without_opening(asked: str, said: str) -> str:
    """The response without the beginning of a thought that its prompt has written already."""
    mark = THINKING.match(said.lstrip())
    if mark is None or not opens(mark):
        return said
    rest = said.lstrip()[mark.end() :]
    blanks = asked[len(asked.rstrip()) :]
    return rest.removeprefix(blanks)
