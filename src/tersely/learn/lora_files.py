"""Adapters as peft and vLLM read them: a folder beside the merged weights of a checkpoint.

A checkpoint holds the merged model, so that whoever loads it needs neither peft nor the base. The adapter alone is what
one server holds many of: ``vllm serve BASE --enable-lora --lora-modules NAME=RUN/checkpoints/step-N/adapter``.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from tersely.learn.lora import NAME, Adapter, import_peft
from tersely.models.folder import ADAPTER
from tersely.models.shares import whole
from tersely.runs.checkpoints import Write
from tersely.runs.manifest import step_folders

FOLDER = "adapter"
"""In a checkpoint: in the checkpoint's own folder transformers would put it onto the merged weights."""
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """An adapter as it is now, ready to be written."""

    settings: Any
    """peft's own configuration."""
    weights: dict[str, Tensor]

    @classmethod
    def of(cls, adapter: Adapter, base: str) -> AdapterFiles:
        """``base``: what the model that it belongs to is called. Where weights are shared out every rank must call."""
        own = {name: whole(weight.detach()) for name, weight in adapter.wrapped.named_parameters() if "lora_" in name}
        select = import_peft().get_peft_model_state_dict
        weights = select(adapter.wrapped, state_dict=own, adapter_name=NAME, save_embedding_layers=False)
        settings = copy.copy(adapter.wrapped.peft_config[NAME])
        settings.base_model_name_or_path, settings.inference_mode = base, True
        settings.task_type, settings.auto_mapping = "CAUSAL_LM", None
        return cls(settings, {name: weight.cpu().contiguous() for name, weight in weights.items()})

    def write(self, folder: Path) -> None:
        """Into ``folder``/adapter. The same adapter gives the same bytes."""
        place = folder / FOLDER
        place.mkdir()
        self.settings.save_pretrained(place)
        content = json.loads((place / ADAPTER).read_text(encoding="utf-8"))
        # peft keeps names of layers as a set, whose order differs from process to process.
        targets = content["target_modules"]
        content["target_modules"] = sorted(targets) if isinstance(targets, list) else targets
        (place / ADAPTER).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        save_file(self.weights, place / WEIGHTS, metadata={"format": "pt"})


def adapter_writer(adapter: Adapter | None, base: str) -> Write:
    """What writes the adapter as it is now into a checkpoint's folder; nothing where all weights train. Every rank must
    ask for it."""
    alone = None if adapter is None else AdapterFiles.of(adapter, base)
    return lambda folder: None if alone is None else alone.write(folder)


def adapter_of(run: Path) -> Path | None:
    """The adapter of a run's newest checkpoint; None where it trained all weights, or has no checkpoint yet."""
    newest = next(iter(step_folders(run)), None)
    place = None if newest is None else newest[1] / FOLDER
    return place if place is not None and (place / WEIGHTS).is_file() else None
