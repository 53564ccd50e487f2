"""Which token ids end a response: all that the model's own files say of it, not the first that is found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from tersely.errors import UserError
from tersely.models.load import load_config, load_generation
from tersely.tasks.chat import chat_text, control_tokens

_SAID = "tersely said this"
"""An assistant's message that no template changes."""


def end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Ids that end a response, those of the generation configuration first.

    The union of generation_config.json, config.json, the tokenizer's end of text and the chat template's end of a turn.
    UserError where there is none, and for an empty list or an id outside the vocabulary.
    """
    return _end_ids(getattr(model, "config", None), getattr(model, "generation_config", None), tokenizer)


def end_tokens_of(folder: Path, tokenizer: Any) -> tuple[int, ...]:
    """``end_tokens`` of a model folder, whose weights stay where they are."""
    config = load_config(folder)
    return _end_ids(config, _generation(folder, config), tokenizer)


def unnamed_turn_end(folder: Path, tokenizer: Any) -> str | None:
    """A sentence where the generation configuration lacks the end of a turn that the chat template writes; None where
    nothing is missing."""
    config = load_config(folder)
    turn, named = turn_end(tokenizer), getattr(_generation(folder, config), "eos_token_id", None)
    if turn is None or turn in (named if isinstance(named, list | tuple) else [named]):
        return None
    return (
        f"the chat template writes {tokenizer.convert_ids_to_tokens(turn)!r} (id {turn}) behind an answer, but "
        f"generation_config.json does not name it among eos_token_id: responses end there here all the same, while "
        "other programs would run on to the cap"
    )


def _generation(folder: Path, config: Any) -> Any:
    """The generation configuration of a model folder; where there is no file what transformers makes of config.json."""
    return load_generation(folder) or GenerationConfig.from_model_config(config)


def turn_end(tokenizer: Any) -> int | None:
    """The control token that the chat template writes behind an assistant's message (``<|im_end|>``, ``<|eot_id|>``);
    None where it writes none."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": _SAID}]
    try:
        _, said, behind = chat_text(tokenizer, turns, ask=False).rpartition(_SAID)
    except UserError:  # It takes no such conversation. Whether it takes a question is seen at the first prompt.
        return None
    ids = list(tokenizer.encode(behind.lstrip(), add_special_tokens=False)) if said else []
    return int(ids[0]) if ids and ids[0] in control_tokens(tokenizer) else None


def _end_ids(config: Any, generation: Any, tokenizer: Any) -> tuple[int, ...]:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    size = getattr(text, "vocab_size", None)
    first = _listed(getattr(generation, "eos_token_id", None), "generation_config.json", size)
    named = _listed(getattr(text, "eos_token_id", None), "config.json", size)
    own = [tokenizer.eos_token_id, turn_end(tokenizer)]
    # A class of configurations has an id of its own where config.json names none, which is a plain word elsewhere.
    known = [i for i in named if i in control_tokens(tokenizer)]
    found = _once([*first, *known, *(i for i in own if i is not None)]) or _once(named)
    if not found:
        raise UserError(
            "the model has no end-of-sequence token, so no response could ever end: set eos_token in its "
            "tokenizer_config.json or eos_token_id in its generation_config.json"
        )
    return found


def _listed(value: Any, file: str, size: int | None) -> list[int]:
    """What a file says, checked; nothing where it says nothing."""
    if value is None:
        return []
    ids = list(value) if isinstance(value, list | tuple) else [value]
    if not ids:
        raise UserError(
            f"eos_token_id in {file} is an empty list, so no response could ever end: write the ids of the model's end "
            "tokens there, or take the key out"
        )
    for i in ids:
        if not isinstance(i, int) or isinstance(i, bool) or i < 0 or (size is not None and i >= size):
            raise UserError(
                f"eos_token_id in {file} holds {i!r}, which is no token of the model"
                f"{'' if size is None else f' (its ids are 0 to {size - 1})'}: write the ids of its end tokens there"
            )
    return ids


def _once(ids: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(i) for i in ids))
