"""Whether a baseline's training fits into memory, by the planner's terms, before a weight is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tersely.baselines.settings import BaselineConfig
from tersely.errors import UserError
from tersely.models.device import pick_device, pick_dtype
from tersely.plan.machine import available_memory
from tersely.plan.memory import RESERVE, STATE, Layout, chunk_bytes, micro_batch_bytes
from tersely.plan.shape import SUPPORTED, ModelShape

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "tuning.gradient_checkpointing=true": {"gradient_checkpointing": True},
    "tuning.optimizer=adam8bit": {"optimizer": "adam8bit"},
    "tuning.lora.rank=32": {"optimizer": "adam", "lora": {"rank": 32}},
}
"""Settings that save memory, the cheapest first; each is tried with those before it."""


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
    """The shortest beginning of ``CHANGES`` that makes it fit, in words."""
    changed, said = config, list[str]()
    for setting, change in CHANGES.items():
        if setting == "tuning.lora.rank=32":
            said = [one for one in said if "optimizer" not in one]
        tuning = {**changed.tuning.model_dump(), **change}
        changed = type(config).model_validate({**changed.model_dump(), "tuning": tuning})
        said.append(f"--set {setting}")
        if fits(changed):
            return f"use {' '.join(said)}"
    return None
