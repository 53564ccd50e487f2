"""Saving models as ordinary Hugging Face folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from tersely.models.tokenizer_files import has_generation_settings, write_tokenizer


def save_model(
    folder: Path, model: Any, tokenizer: Any, dtype: torch.dtype, state: dict[str, torch.Tensor] | None = None
) -> None:
    """Weights in ``dtype``, configuration and tokenizer, as transformers and vLLM load them. Tokenizer, chat template
    and generation settings are those of the folder that the tokenizer came from, unchanged. ``state``: the weights,
    whole and in ``dtype``, where the model holds shares of them."""
    mixed = dtype != model.dtype
    served = state
    if mixed and state is None:
        served = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    with _without_settings(model) if has_generation_settings(tokenizer) else nullcontext():
        model.save_pretrained(folder, max_shard_size="5GB", state_dict=served)
    if mixed:
        # save_pretrained notes the dtype of the model in memory, not that of the tensors it was given.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = str(dtype).removeprefix("torch.")
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    write_tokenizer(tokenizer, folder)


@contextmanager
def _without_settings(model: Any) -> Iterator[None]:
    """transformers refuses to write generation settings that contradict each other, as those of some models do. Theirs
    are copied."""
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own
