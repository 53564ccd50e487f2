"""The sampler that a configuration asks for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from tersely.config import Engine, SamplingConfig
from tersely.samplers.base import Sampler
from tersely.samplers.transformers import TransformersSampler
from tersely.samplers.vllm import VllmSampler
from tersely.samplers.vllm_engine import InProcessEngine

PROMPT_ROOM = 4096
"""Tokens left for the prompt where the longest one is not known."""


def engine_for(engine: Engine, device_type: str) -> Literal["transformers", "vllm"]:
    """What "auto" means on "cuda" or "cpu": vLLM on a GPU that has it, because it starts the next response where one
    ends and keeps the cache in pages; else transformers."""
    if engine != "auto":
        return engine
    return "vllm" if device_type == "cuda" and find_spec("vllm") is not None else "transformers"


def make_sampler(
    config: SamplingConfig,
    model: Any,
    tokenizer: Any,
    folder: Path,
    dtype: torch.dtype,
    longest_prompt: int | None = None,
) -> Sampler:
    """The engine named by ``config.engine``, sampling from the weights of ``model`` in ``dtype``.

    ``folder`` holds the model's configuration; ``longest_prompt`` (tokens) bounds what vLLM must hold a request.
    """
    if engine_for(config.engine, model.device.type) == "transformers":
        return TransformersSampler(model, tokenizer, config.decoder, config.max_rows, dtype)
    length = config.max_new_tokens + (PROMPT_ROOM if longest_prompt is None else longest_prompt)
    positions = getattr(model.config, "max_position_embeddings", None)
    engine = InProcessEngine(
        folder,
        dtype,
        max_length=length if positions is None else min(length, positions),
        max_rows=config.max_rows,
        memory_share=config.engine_memory,
        sleeps=config.engine_sleep,
    )
    return VllmSampler(model, tokenizer, engine, sleeps=config.engine_sleep)
