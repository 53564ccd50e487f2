"""Saving models as ordinary Hugging Face folders, with what they were trained for beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tersely.records import Json, JsonObject
from tersely.runs.json_file import read_json


def save_model(folder: Path, model: Any, tokenizer: Any, dtype: torch.dtype) -> None:
    """Weights in ``dtype``, configuration and tokenizer, as transformers and vLLM load them."""
    mixed = dtype != model.dtype
    served = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()} if mixed else None
    model.save_pretrained(folder, max_shard_size="5GB", state_dict=served)
    if mixed:
        # save_pretrained notes the dtype of the model in memory, not that of the tensors it was given.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = str(dtype).removeprefix("torch.")
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    tokenizer.save_pretrained(folder)


TRAINED_FOR = "tersely.json"
"""In every checkpoint: the prompt template, cap and penalty that it was trained with."""


def write_trained_for(folder: Path, facts: JsonObject) -> None:
    (folder / TRAINED_FOR).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_trained_for(folder: Path) -> Json:
    """What a checkpoint of ours was trained for; empty for other people's models. StorageError where it is damaged."""
    path = folder / TRAINED_FOR
    return read_json(path, "what the model was trained for") if path.is_file() else {}
