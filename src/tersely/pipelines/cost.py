"""What several runs will cost, as far as that can be known before, and how many of them this machine can hold."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tersely.config import TrainConfig
from tersely.display import duration
from tersely.pipelines.chain import Slots, usual_jobs
from tersely.pipelines.variants import RunPlan, Variant
from tersely.plan.machine import available_memory, device_kind
from tersely.runs.logs import read_log

if TYPE_CHECKING:
    from tersely.plan import ModelShape

PROMPT = 200.0
"""Tokens that a prompt is taken to have where seconds are predicted."""


def slots_for(plan: RunPlan, variants: Sequence[Variant], asked: int | None) -> Slots:
    """As many runs side by side as were asked for; else one a GPU, or on CPUs what cores and memory hold."""
    if device_kind(plan.common_config.run.device) == "cuda":
        gpus = visible_gpus()
        return Slots(asked or max(1, len(gpus)), gpus if plan.common_config.run.device == "auto" else ())
    return Slots(asked or jobs_within_memory([plan.config(variant) for variant in variants]))


def visible_gpus() -> tuple[str, ...]:
    """Names of the GPUs that a command may be given, for CUDA_VISIBLE_DEVICES."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(named.split(",") if named else map(str, range(torch.cuda.device_count())))


def jobs_within_memory(configs: Sequence[TrainConfig]) -> int:
    """At most the usual number, and at least one: as many as find room for the largest of the runs."""
    available, needed = available_memory("cpu")[0], max((peak_bytes(config) for config in configs), default=0.0)
    return max(1, min(usual_jobs(), int(available / needed))) if available and needed else usual_jobs()


def peak_bytes(config: TrainConfig) -> float:
    """Predicted memory of one run on a CPU; 0 for an architecture without formulas."""
    from tersely.plan import default_profile, layout_of, predict_memory

    shape = shape_of(config)
    if shape is None:
        return 0.0
    memory = predict_memory(shape, config, layout_of(config, "cpu"), default_profile(shape.parameters), 0, "cpu")
    return memory.peak


def gpu_hours(config: TrainConfig) -> float:
    """Predicted of one run on one GPU of an ordinary engine; 0 for an architecture without formulas."""
    from tersely.plan import default_profile, layout_of, predict_seconds
    from tersely.plan.time import ASSUMED

    shape = shape_of(config)
    if shape is None:
        return 0.0
    lengths, layout = default_profile(shape.parameters), layout_of(config, "cuda")
    return predict_seconds(shape, config, layout, lengths, PROMPT, ASSUMED["typical"]).total * config.run.steps / 3600


def shape_of(config: TrainConfig) -> ModelShape | None:
    """Of the base; None for an architecture without formulas."""
    from tersely.models.load import load_config
    from tersely.models.locate import locate_model
    from tersely.plan.shape import SUPPORTED, ModelShape

    content = load_config(locate_model(config.model, config.revision)).to_dict()
    return ModelShape.of(content) if content.get("model_type") in SUPPORTED else None


def cost_words(plan: RunPlan, variants: Sequence[Variant], finished: Collection[str], slots: Slots) -> Iterator[str]:
    """How many runs, how many responses, and the time, where runs that are finished tell it."""
    left = [variant for variant in variants if f"train {variant.name}" not in finished]
    configs = [plan.config(variant) for variant in left]
    ready = f", {len(variants) - len(left)} of them finished" if len(left) < len(variants) else ""
    yield f"{len(variants)} runs from {plan.model}{ready}, {slots.jobs} side by side; the page: {plan.out / 'page'}"
    responses = sum(c.drawn * c.sampling.n * c.run.steps for c in configs)
    most = sum(c.drawn * c.sampling.n * c.run.steps * c.sampling.max_new_tokens for c in configs)
    measured = "" if plan.size is None else f", and {plan.size * plan.k} to measure each of them and the base"
    yield f"responses to train on: {responses:,}, at most {most:,} tokens{measured}"
    if left and device_kind(configs[0].run.device) == "cuda" and (hours := gpu_hours(configs[0])):
        yield f"about {hours:.1f} GPU-hours a run, sampling and training, predicted and not measured (`tersely plan`)"
    done = [seconds_of(plan.out / v.name) for v in variants if v not in left]
    if left and any(done):
        rest = sum(done) / len(done) * len(left) / slots.jobs
        yield f"training took {duration(sum(done) / len(done))} a run so far: about {duration(rest)} for those left"


def seconds_of(run: Path) -> float:
    """Of training, as its own clock measured them."""
    clock = run / "clock.jsonl"
    return sum(float(line.get("step_s", 0.0)) for line in read_log(clock)) if clock.is_file() else 0.0
