"""What a model is asked, where its responses end and what its weights are put into, as a few values that a run folder
keeps: a run, an evaluation or samples go on only under the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tersely.models.end_tokens import end_tokens_of
from tersely.models.small_files import read_object
from tersely.records import Json, JsonObject
from tersely.tasks.chat import template_text

ASKED = ("architecture_sha256", "chat_template_sha256", "end_ids", "prompts_sha256")
"""What a configuration says of it."""

_NO_ARCHITECTURE = {
    "_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache", "eos_token_id", "bos_token_id",
    "pad_token_id",
}  # fmt: skip
"""Keys of a model's config.json that change no log-probability, or that stand for themselves."""


def prompt_identity(
    folder: Path, tokenizer: Any, end_ids: Sequence[int], prompts: Mapping[str, tuple[int, ...]]
) -> JsonObject:
    """Of the model in ``folder``; ``prompts``: id of a problem -> prompt ids."""
    return {
        "architecture_sha256": architecture_digest(read_object(folder / "config.json")),
        "chat_template_sha256": hashlib.sha256(template_text(tokenizer).encode()).hexdigest(),
        "end_ids": sorted(end_ids),
        "prompts_sha256": prompts_digest(prompts),
    }


def prompt_identity_of(folder: Path, tokenizer: Any, prompts: Mapping[str, tuple[int, ...]]) -> JsonObject:
    """``prompt_identity`` of a model folder, whose weights stay where they are."""
    return prompt_identity(folder, tokenizer, end_tokens_of(folder, tokenizer), prompts)


def prompts_digest(prompts: Mapping[str, tuple[int, ...]]) -> str:
    """SHA-256 over the ids of problems and of their prompts, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(prompts):
        digest.update(f"{name} {len(prompts[name])} ".encode() + np.array(prompts[name], "<i8").tobytes())
    return digest.hexdigest()


def architecture_digest(config: Json) -> str:
    """SHA-256 over a model's config.json: the same weights under another rotary base or scale are another model."""
    return hashlib.sha256(json.dumps(architecture(config), sort_keys=True).encode()).hexdigest()


def architecture(part: Any) -> Any:
    """A model's config.json, or a part of it, without what changes no log-probability or stands for itself."""
    if not isinstance(part, dict):
        return part
    return {key: architecture(value) for key, value in part.items() if key not in _NO_ARCHITECTURE}
