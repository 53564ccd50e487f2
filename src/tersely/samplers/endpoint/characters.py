"""Prompts for a server that reads text.

Its tokenizer is on the server, so that a prompt has no token ids here. What is made of ids everywhere else (the digest
that knows a prompt again, two problems that read alike) holds for characters just as well: they stand for the ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class Characters:
    """What ``tasks.prompts`` asks of a tokenizer. The user's message stands for the prompt; the server's chat template
    does the rest."""

    chat_template = "{{ messages[0]['content'] }}"

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [ord(c) for c in text]

    def decode(self, ids: Iterable[int], **_: Any) -> str:
        return "".join(map(chr, ids))

    def get_chat_template(self) -> str:
        return self.chat_template

    def apply_chat_template(self, turns: Sequence[dict[str, str]], **_: Any) -> str:
        return turns[0]["content"]
