"""The one way from sampled ids to the text that is judged, counted and shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tersely.verify.visible import THINKING


class ResponseText:
    """Decodes responses of one tokenizer: without end, padding and other control tokens, but with the marks of
    thinking, which some models have as special tokens: what stands before ``</think>`` is no answer."""

    def __init__(self, tokenizer: Any, end_ids: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        added = getattr(tokenizer, "added_tokens_decoder", {})
        special = {i for i, token in added.items() if token.special} | set(getattr(tokenizer, "all_special_ids", ()))
        marks = {i for i in special & added.keys() if THINKING.fullmatch(added[i].content.strip())}
        # An end token that is a plain word of the text stays in it.
        self._dropped = (special - marks) | (set(end_ids) & added.keys())
        self._as_usual = self._dropped == special

    def __call__(self, tokens: Sequence[int]) -> str:
        if self._as_usual:
            return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
        kept = [token for token in tokens if token not in self._dropped]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))
