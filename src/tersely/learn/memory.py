"""Memory that ran out in training, as one sentence: in which phase, and which setting to change to what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

from tersely.config import TrainConfig
from tersely.errors import RunError
from tersely.models.memory import asked_for, ran_out
from tersely.samplers.engines import engine_for

Phase = Literal["loading", "sampling", "updating"]


@contextlib.contextmanager
def out_of_memory_said(phase: Phase, config: TrainConfig, processes: int = 1) -> Iterator[None]:
    """RunError for memory that runs out inside. The one place where a run meets this error."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        stands = "" if phase == "loading" else "; the last checkpoint stands, and the same run goes on from it"
        raise RunError(
            f"memory ran out while {phase}{asked_for(error)}: {cure(phase, config, processes)}{stands}"
        ) from error


def cure(phase: Phase, config: TrainConfig, processes: int = 1) -> str:
    """What to change: settings that leave the result alone, which a run may change when it is taken up again
    (``tersely.learn.run_setup.RESOURCE_KEYS``); where none is left, those of a new run."""
    if phase == "loading":
        return (
            "the weights alone do not fit: end other programs that hold memory, or take a smaller model or a machine "
            "with more memory (tersely plan says how much)"
        )
    found = _sampling_cure(config, processes) if phase == "sampling" else _updating_cure(config, processes)
    return f"use --set {found}" if found else _last_resort(config, processes)


def _sampling_cure(config: TrainConfig, processes: int) -> str | None:
    sampling = config.sampling
    rows = min(sampling.max_rows, sampling.prompts * sampling.n // processes)
    if _engine(config) == "vllm" and sampling.engine_memory > 0.25:
        # Its cache is taken beforehand; what is short is the room beside it.
        return f"sampling.engine_memory={sampling.engine_memory * 0.8:.2f}"
    if rows > sampling.n:
        return f"sampling.max_rows={max(sampling.n, rows // 2 // sampling.n * sampling.n)}"
    return None


def _updating_cure(config: TrainConfig, processes: int) -> str | None:
    learner, cap = config.learner, config.sampling.max_new_tokens
    if learner.token_budget > cap:
        return f"learner.token_budget={max(cap, learner.token_budget // 2)}"
    if not learner.gradient_checkpointing:
        return "learner.gradient_checkpointing=true"
    if _engine(config) == "vllm" and not config.sampling.engine_sleep:
        return "sampling.engine_sleep=true"
    return "learner.sharding=zero3" if processes > 1 and learner.sharding == "zero2" else None


def _last_resort(config: TrainConfig, processes: int) -> str:
    learner = config.learner
    leaner = learner.optimizer == "adam" and learner.lora is None and processes == 1
    lean = "--set learner.optimizer=adam8bit, " if leaner else ""
    shorter = max(1, config.sampling.max_new_tokens // 2)
    return f"start anew in another folder with {lean}--set sampling.max_new_tokens={shorter} or more GPUs"


def _engine(config: TrainConfig) -> str:
    on_cpu = config.run.device == "cpu" or not torch.cuda.is_available()
    return engine_for(config.sampling.engine, "cpu" if on_cpu else "cuda")
