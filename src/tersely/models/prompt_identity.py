"""What a model is asked and where its responses end, as a few values that a run folder keeps: a run, an evaluation or
samples go on only under the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tersely.models.end_tokens import end_tokens_of
from tersely.records import JsonObject
from tersely.tasks.chat import template_text

ASKED = ("chat_template_sha256", "end_ids", "prompts_sha256")
"""What a configuration says of it."""


def prompt_identity(tokenizer: Any, end_ids: Sequence[int], prompts: Mapping[str, tuple[int, ...]]) -> JsonObject:
    """``prompts``: id of a problem -> prompt ids."""
    return {
        "chat_template_sha256": hashlib.sha256(template_text(tokenizer).encode()).hexdigest(),
        "end_ids": sorted(end_ids),
        "prompts_sha256": prompts_digest(prompts),
    }


def prompt_identity_of(folder: Path, tokenizer: Any, prompts: Mapping[str, tuple[int, ...]]) -> JsonObject:
    """``prompt_identity`` of a model folder, whose weights stay where they are."""
    return prompt_identity(tokenizer, end_tokens_of(folder, tokenizer), prompts)


def prompts_digest(prompts: Mapping[str, tuple[int, ...]]) -> str:
    """SHA-256 over the ids of problems and of their prompts, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(prompts):
        digest.update(f"{name} {len(prompts[name])} ".encode() + np.array(prompts[name], "<i8").tobytes())
    return digest.hexdigest()
