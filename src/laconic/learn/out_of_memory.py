"""Memory that ran out, as one sentence: in which phase, and which setting to change to what."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Literal

import torch

from laconic.config import TrainConfig
from laconic.errors import RunError
from laconic.samplers.factory import engine_for

Phase = Literal["loading", "sampling", "updating"]

_ALLOCATION = re.compile(r"tried to allocate ([\d.]+ \w+)", re.IGNORECASE)


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
            f"memory ran out while {phase}{_asked(error)}: {cure(phase, config, processes)}{stands}"
        ) from error


@contextlib.contextmanager
def rows_said(max_rows: int, option: str) -> Iterator[None]:
    """The same where a model is only sampled from, ``max_rows`` responses at once: ``option`` is what sets them."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        cured = f"use {option}{max_rows // 2}" if max_rows > 1 else "take a smaller model or a machine with more memory"
        raise RunError(
            f"memory ran out while sampling{_asked(error)}: {cured} (now {max_rows}); what is finished is saved, and "
            "the same command goes on from it"
        ) from error


def _asked(error: BaseException) -> str:
    found = _ALLOCATION.search(str(error))
    return f" ({found[1]} more were asked for)" if found else ""


def ran_out(error: BaseException) -> bool:
    """Whether this is lack of memory: an error of its own on a GPU, a plain RuntimeError of the allocator on a CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def cure(phase: Phase, config: TrainConfig, processes: int = 1) -> str:
    """What to change: settings that leave the result alone, which a run may change when it is taken up again
    (``laconic.learn.begin.ROOM``); where none is left, those of a new run."""
    if phase == "loading":
        return (
            "the weights alone do not fit: end other programs that hold memory, or take a smaller model or a machine "
            "with more memory (laconic plan says how much)"
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
