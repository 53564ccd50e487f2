"""How far a model can be read with one and the same rotary embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tersely.errors import UserError

SWITCHING = ("longrope", "su")
"""Kinds of rotary embedding with two sets of frequencies: which one a row is read with depends on how long the longest
row beside it is, and keys in a cache keep the first."""


def positions_of(model: Any) -> int | None:
    """Tokens that a loaded model has positions for; None where no limit is known."""
    found: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found


def switch_of(config: Mapping[str, Any]) -> int | None:
    """Tokens after which the rotary embedding of a model with this config.json changes; None where it never does."""
    inner = config.get("text_config")
    text = {**config, **(inner if isinstance(inner, Mapping) else {})}
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, Mapping):
        return None
    # One for all layers, or one for each kind of them.
    for one in [rope, *(r for r in rope.values() if isinstance(r, Mapping))]:
        if (one.get("rope_type") or one.get("type")) in SWITCHING:
            found = one.get("original_max_position_embeddings") or text.get("original_max_position_embeddings")
            return found if isinstance(found, int) and found > 0 else None
    return None


def beyond_switch(config: Mapping[str, Any], longest: int, cap: int, setting: str) -> str | None:
    """The sentence that refuses prompts of ``longest`` tokens with ``cap`` new ones; None where they stay within."""
    switch = switch_of(config)
    if switch is None or longest + cap <= switch:
        return None
    cure = f"use {setting}{switch - longest} or less" if longest < switch else "leave the longest problems out"
    return (
        f"the longest prompt ({longest} tokens) and {cap} new tokens go beyond {switch} tokens, where this model's "
        "rotary embedding (longrope) changes, so that log-probabilities would depend on which rows stand together: "
        f"{cure}"
    )


def require_before_switch(config: Mapping[str, Any], longest: int, cap: int, setting: str) -> None:
    """UserError where ``beyond_switch`` has something to say."""
    sentence = beyond_switch(config, longest, cap, setting)
    if sentence is not None:
        raise UserError(sentence)
