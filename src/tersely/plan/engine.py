"""What vLLM takes of a GPU beside the trainer: a share of its memory, whatever it needs of that."""

from __future__ import annotations

from importlib.util import find_spec

from tersely.config import TrainConfig
from tersely.plan.shape import ModelShape

GRAPHS = 1.5e9
"""Bytes of its recorded launches (CUDA graphs) and workspaces, which stay while it sleeps: assumed."""

CPU_CACHE = float(1 << 30)
"""Of its key-value cache without a GPU (``tersely.samplers.vllm_engine.CPU_CACHE_BYTES``)."""


def decodes_with_vllm(config: TrainConfig, device: str) -> bool:
    """What ``tersely.samplers.engines.resolve_engine`` would say, without loading an engine."""
    name = config.sampling.engine
    return name == "vllm" or (name == "auto" and device == "cuda" and find_spec("vllm") is not None)


def least_bytes(shape: ModelShape, config: TrainConfig, element: int, prompt: int) -> float:
    """Below which it refuses to start: weights, graphs and the cache of one response at the cap, the first and the last
    shared by the processes that decode together."""
    together = config.sampling.engine_options.get("tensor_parallel_size", 1)
    together = together if isinstance(together, int) and together > 0 else 1
    tokens = prompt + config.sampling.max_new_tokens
    return (element * shape.parameters + shape.kv_bytes(element) * tokens) / together + GRAPHS


def engine_bytes(
    shape: ModelShape, config: TrainConfig, element: int, prompt: int, device: str, available: float | None
) -> float:
    """What it holds while sampling: its share of the memory there is, or the least where that is not known."""
    if device == "cpu":
        return element * shape.parameters + CPU_CACHE
    least = least_bytes(shape, config, element, prompt)
    return least if available is None else config.sampling.engine_memory * available


def asleep_bytes(config: TrainConfig, device: str, awake: float) -> float:
    """What it holds while the update runs."""
    return GRAPHS if device == "cuda" and config.sampling.engine_sleep else awake
