"""What to change where memory runs out in training: in which phase, which setting to which value."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from tersely.config import TrainConfig
from tersely.models.memory import Phase, explain_out_of_memory
from tersely.samplers.engines import find_engine, resolve_engine
from tersely.samplers.memory import fewer_rows


def explain_training_memory(phase: Phase, config: TrainConfig, processes: int = 1) -> AbstractContextManager[None]:
    """RunError, with a cure, for memory that runs out inside. The one place where a run meets this error."""
    stands = "" if phase == "loading" else "; the last checkpoint stands, and the same run goes on from it"
    return explain_out_of_memory(phase, lambda: cure(phase, config, processes) + stands)


def cure(phase: Phase, config: TrainConfig, processes: int = 1) -> str:
    """What to change: settings that leave the result alone, which a run may change when it is taken up again
    (``tersely.learn.run_setup.RESOURCE_KEYS``); where none is left, those of a new run."""
    if phase == "loading":
        return (
            "the weights alone do not fit: end other programs that hold memory, or take a smaller model or a machine "
            "with more memory (tersely plan says how much)"
        )
    if config.learner.under_the_tail:  # what it raises is met in either phase
        return "use --set learner.under_the_tail=false"
    found = _sampling_cure(config, processes) if phase == "sampling" else _updating_cure(config, processes)
    return f"use --set {found}" if found else _last_resort(config, processes)


def _sampling_cure(config: TrainConfig, processes: int) -> str | None:
    sampling = config.sampling
    if of_engine := _engine_cure("sampling", config):
        return of_engine
    fewer = fewer_rows(min(sampling.max_rows, sampling.prompts * sampling.n // processes), sampling.n)
    return f"sampling.max_rows={fewer}" if fewer else None


def _updating_cure(config: TrainConfig, processes: int) -> str | None:
    learner, cap = config.learner, config.sampling.max_new_tokens
    if learner.token_budget > cap:
        return f"learner.token_budget={max(cap, learner.token_budget // 2)}"
    if not learner.gradient_checkpointing:
        return "learner.gradient_checkpointing=true"
    if of_engine := _engine_cure("updating", config):
        return of_engine
    return "learner.sharding=zero3" if processes > 1 and learner.sharding == "zero2" else None


def _engine_cure(phase: Phase, config: TrainConfig) -> str | None:
    on_cpu = config.run.device == "cpu" or not torch.cuda.is_available()
    engine = resolve_engine(config.sampling.engine, "cpu" if on_cpu else "cuda")
    return find_engine(engine).memory_cure(phase, config.sampling)


def _last_resort(config: TrainConfig, processes: int) -> str:
    learner = config.learner
    leaner = learner.optimizer == "adam" and learner.lora is None and processes == 1
    lean = "--set learner.optimizer=adam8bit, " if leaner else ""
    shorter = max(1, config.sampling.max_new_tokens // 2)
    return f"start anew in another folder with {lean}--set sampling.max_new_tokens={shorter} or more GPUs"
