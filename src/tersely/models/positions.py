"""How many tokens a model can be read with: the one place that says what fits, for training, evaluation and plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError

SWITCHING = ("longrope", "su")
"""Kinds of rotary embedding with two sets of frequencies: which one a row is read with depends on how long the longest
row beside it is, and keys in a cache keep the first."""

NAME = re.compile(r"[\w.-]+")
"""Of a template, rather than the text of a user's own."""

POSITIONS = ("max_position_embeddings", "n_positions")
"""What a config.json calls the number of positions."""


@dataclass(frozen=True, slots=True)
class Room:
    """The limits of one model. Example: ``Room(positions=4096).left(longest=180)`` is 3916."""

    positions: int | None = None
    """Tokens that the model has positions for; None where no limit is known."""
    switch: int | None = None
    """Tokens after which its rotary embedding changes; None where it never does."""
    choice: int | None = None
    """Tokens after which its attention chooses which of a whole row to read; None where it never does."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Room:
        """By the content of config.json, or of a loaded configuration's ``to_dict()``."""
        text = _text_of(config)
        known = [text[name] for name in POSITIONS if isinstance(text.get(name), int)]
        return cls(known[0] if known else None, switch_of(config), choice_of(config))

    def left(self, longest: int) -> int | None:
        """New tokens that fit behind a prompt of ``longest`` tokens, below 1 where the prompt itself is too long; None
        where no limit is known."""
        limits = [limit for limit in (self.positions, self.switch, self.choice) if limit is not None]
        return min(limits) - longest if limits else None

    def refusal(self, longest: int, cap: int, setting: str, template: str = "") -> str | None:
        """The sentence against prompts of ``longest`` tokens with ``cap`` new ones; None where they fit.

        ``setting`` is what the user would change, such as "--max-new-tokens "; the cure is enough if obeyed once.
        ``template`` is what the problems are asked under: its name is said, because another one leaves other room.
        """
        left = self.left(longest)
        if left is None or cap <= left:
            return None
        cure = f"use {setting}{left} or less" if left > 0 else "leave the longest problems out"
        under = f", template {template}" if NAME.fullmatch(template) else ""
        asked = f"the longest prompt ({longest} tokens{under}) and {cap} new tokens"
        if self.positions is not None and longest + cap > self.positions:
            return f"{asked} exceed the model's {self.positions} positions: {cure}"
        if self.choice is not None and longest + cap > self.choice:
            return (
                f"{asked} go beyond {self.choice} tokens, where this model's attention reads a part of the row alone, "
                f"chosen by later tokens too, so that no log-probability would be that of sampling: {cure}"
            )
        return (
            f"{asked} go beyond {self.switch} tokens, where this model's rotary embedding (longrope) changes, so that "
            f"log-probabilities would depend on which rows stand together: {cure}"
        )

    def require(self, longest: int, cap: int, setting: str, template: str = "") -> None:
        """UserError where ``refusal`` has something to say."""
        sentence = self.refusal(longest, cap, setting, template)
        if sentence is not None:
            raise UserError(sentence)


def _text_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the model's text part, which stand in a section of their own where it has others."""
    inner = config.get("text_config")
    return {**config, **(inner if isinstance(inner, Mapping) else {})}


def switch_of(config: Mapping[str, Any]) -> int | None:
    """Tokens after which the rotary embedding of a model with this config.json changes; None where it never does."""
    text = _text_of(config)
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, Mapping):
        return None
    # One for all layers, or one for each kind of them.
    for one in [rope, *(r for r in rope.values() if isinstance(r, Mapping))]:
        if (one.get("rope_type") or one.get("type")) in SWITCHING:
            found = one.get("original_max_position_embeddings") or text.get("original_max_position_embeddings")
            return found if isinstance(found, int) and found > 0 else None
    return None


def choice_of(config: Mapping[str, Any]) -> int | None:
    """Tokens after which attention (Doge's) reads the highest of a whole row alone; None where it reads all."""
    found = _text_of(config).get("keep_window_size")
    return found if isinstance(found, int) and found > 0 else None


def refuse_chunks(config: Any) -> None:
    """ValueError for a model (its loaded configuration) whose layers attend within chunks of the columns of a batch, as
    Llama 4's do: whatever stands before a row shifts where its chunks begin, which shows only in rows longer than one
    chunk, longer than those that are compared at load."""
    text = config.get_text_config()
    if "chunked_attention" in (getattr(text, "layer_types", None) or []):
        raise ValueError(f"attention within chunks of {text.attention_chunk_size} columns, which padding would shift")
