"""Whether a baseline's training fits into memory, by the planner's terms, before a weight is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tersely.baselines.settings import BaselineConfig
from tersely.config import set_key
from tersely.errors import UserError
from tersely.models.device import pick_device, pick_dtype
from tersely.plan.machine import available_memory
from tersely.plan.memory import RESERVE, STATE, Layout, chunk_bytes, micro_batch_bytes
from tersely.plan.shape import SUPPORTED, ModelShape

CURES = (
    ("gradient_checkpointing=true",),
    ("gradient_checkpointing=true", "optimizer=adam8bit"),
    ("gradient_checkpointing=true", "lora.rank=32"),
)
"""Settings of tuning that save memory, the cheapest first."""


def tuning_bytes(method: str, shape: ModelShape, config: BaselineConfig, element: int) -> float:
    """Bytes at the peak of an update on one device: ``element`` is 2 where bf16 is computed with, else 4.

    The terms of ``plan.memory``: weights, gradients and moments of N parameters (of adapters alone with LoRA, whose
    base and merged copy are ``element N`` each); DPO's reference, ``element N``; the casts of autocast where masters
    are wider; a micro-batch of ``token_budget`` tokens, or of one row (DPO: two) at the cap; a chunk of logits. TRL
    computes on fp32 masters, O1-Pruner as our own training does.
    """
    tuning, parameters = config.tuning, float(shape.parameters)
    layout = Layout(element, tuning.optimizer, tuning.gradient_checkpointing, lora=tuning.lora, packed=False)
    weight, gradient, state = layout.state_bytes
    if tuning.lora is None and method != "o1-pruner":
        weight, gradient, state = STATE[tuning.optimizer]
    held = (weight + gradient + state) * parameters
    if tuning.lora is not None:
        adapter = shape.adapter_parameters(tuning.lora.rank, tuning.lora.target_names)
        held += sum(STATE["adam"]) * adapter + element * parameters
    held += element * parameters * (method == "dpo")
    held += element * shape.read_per_step * (weight > element)
    tokens = max(tuning.token_budget, config.sampling.max_new_tokens * (2 if method == "dpo" else 1))
    return held + micro_batch_bytes(shape, tokens, layout) + chunk_bytes(shape, tokens, element)


def require_memory(
    method: str,
    config: BaselineConfig,
    model_config: Mapping[str, Any],
    device_type: str,
    available: Callable[[str], tuple[int, str]] = available_memory,
) -> None:
    """UserError with the numbers, and the settings that make it fit, where training would run out of memory. Looked at
    for the architectures that have formulas, where the memory that is there is known."""
    there = available(device_type)[0]
    if not there or model_config.get("model_type") not in SUPPORTED:
        return
    shape = ModelShape.of(model_config)
    element = pick_dtype(config.run.dtype, pick_device(config.run.device)).itemsize

    def needs(some: BaselineConfig) -> float:
        return tuning_bytes(method, shape, some, element) + RESERVE[device_type]

    if needs(config) <= there:
        return
    cure = _cure(config, lambda some: needs(some) <= there)
    raise UserError(
        f"memory does not suffice: {method} needs {needs(config) / 1e9:.0f} GB while it learns and "
        f"{there / 1e9:.0f} GB are there; "
        + (cure or "no setting makes it fit: take a smaller model, or a GPU with more memory")
    )


def _cure(config: BaselineConfig, fits: Callable[[BaselineConfig], bool]) -> str | None:
    """The first of ``CURES`` that makes it fit, in words."""
    adapts = config.tuning.lora is not None
    for words in CURES:
        if adapts and "optimizer=adam8bit" in words:
            continue  # adapters take Adam alone
        if "lora.rank=32" in words and config.tuning.optimizer != "adam":
            words = ("optimizer=adam", *words)
        tuning = config.tuning.model_dump(exclude_none=True)
        for word in words:
            set_key(tuning, word)
        if fits(type(config).model_validate({**config.model_dump(), "tuning": tuning})):
            return "use " + " ".join(f"--set tuning.{word}" for word in words)
    return None
