"""The one way from sampled ids to the text that is judged, counted and shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tersely.tasks.chat import chat_text, template_text
from tersely.verify.visible import THINKING, last_mark, opens

_PARTS = ("<|channel|>", "<|message|>")
"""Control tokens of which gpt-oss makes its marks: ``<|channel|>final<|message|>``."""
_ENDING = 16
"""Tokens at the end of a prompt among which a mark of thinking is looked for."""


class ResponseText:
    """Decodes responses of one tokenizer: without end, padding and other control tokens, but with the marks of
    thinking, which some models have as special tokens: what stands before ``</think>`` is no answer."""

    def __init__(self, tokenizer: Any, end_ids: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        added = getattr(tokenizer, "added_tokens_decoder", {})
        special = {i for i, token in added.items() if token.special} | set(getattr(tokenizer, "all_special_ids", ()))
        marks = {i for i in special & added.keys() if _is_mark(added[i].content.strip())}
        # An end token that is a plain word of the text stays in it.
        self._dropped = (special - marks) | (set(end_ids) & added.keys())
        self._as_usual = self._dropped == special

    def opens_thinking(self, prompt: Sequence[int]) -> bool:
        """Whether the prompt ends with the beginning of a thought, as templates that write ``<think>\\n`` make it. An
        empty thought (opened and closed again) and a mark that only stands in the text open none."""
        last = last_mark(self(prompt[-_ENDING:]))
        return last is not None and opens(last)

    def ends_thinking(self, prompt: Sequence[int]) -> bool:
        """Whether the prompt ends with the end of a thought, as templates write it for a model that is not to think."""
        last = last_mark(self(prompt[-_ENDING:]))
        return last is not None and not opens(last)

    def __call__(self, tokens: Sequence[int]) -> str:
        if self._as_usual:
            return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
        kept = [token for token in tokens if token not in self._dropped]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))


def opens_thoughts(tokenizer: Any) -> bool:
    """Whether the model's chat template begins every response with a thought."""
    if not template_text(tokenizer):
        return False
    text = chat_text(tokenizer, [{"role": "user", "content": "1 + 1"}], ask=True)
    return ResponseText(tokenizer).opens_thinking(tokenizer.encode(text, add_special_tokens=False))


def _is_mark(token: str) -> bool:
    return token in _PARTS or THINKING.fullmatch(token) is not None
