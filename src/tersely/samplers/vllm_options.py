"""vLLM's own options (arguments of ``vllm.LLM``): which may be given, and what they make of the engine."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from tersely.errors import UserError, nearest
from tersely.samplers.base import EngineTraits
from tersely.samplers.vllm_engine import import_vllm

SETTINGS = {
    "model": "model",
    "revision": "revision",
    "seed": "seed",
    "dtype": "run.dtype",
    "max_model_len": "sampling.max_new_tokens",
    "max_num_seqs": "sampling.max_rows",
    "gpu_memory_utilization": "sampling.engine_memory",
    "enable_sleep_mode": "sampling.engine_sleep",
}
"""Arguments that settings of ours decide."""

OURS = {
    "tokenizer": "it is given token ids",
    "skip_tokenizer_init": "it is given token ids",
    "load_format": "weights are handed over in memory",
    "hf_overrides": "weights are handed over by their names",
    "logprobs_mode": "log-probabilities are those of what was sampled",
    "distributed_executor_backend": "it decodes in this process",
    "data_parallel_size": "each process, or tensor_parallel_size of them, has an engine of its own",
    "pipeline_parallel_size": "the processes of an engine share each layer: give tensor_parallel_size",
    "enable_lora": "adapters are merged before weights are handed over",
    "trust_remote_code": "no code that comes with a model is run",
    "worker_cls": "no other code is run",
    "worker_extension_cls": "no other code is run",
}
"""Arguments that are what they are for a reason."""

PRECISE_CACHES = ("auto", "float32", "float16", "bfloat16")


def read_options(options: Mapping[str, Any]) -> EngineTraits:
    """UserError for a name that vLLM does not know or that is not for the user to choose. vLLM looks at the values
    itself, when it starts."""
    for name in options:
        require_option(name)
    return EngineTraits(less_precise(options), _processes(options))


def require_option(name: str) -> None:
    if name in SETTINGS:
        raise UserError(f"vLLM's option {name} is the setting {SETTINGS[name]} here: give that")
    if name in OURS:
        raise UserError(f"vLLM's option {name} cannot be chosen here, for {OURS[name]}: leave it out")
    import_vllm()
    known = {field.name for field in dataclasses.fields(importlib.import_module("vllm.engine.arg_utils").EngineArgs)}
    if name not in known:
        raise UserError(
            f"vLLM knows no option {name!r}{nearest(name, sorted(known))}: its engine arguments are in its manual"
        )


def less_precise(options: Mapping[str, Any]) -> str | None:
    """The option by which weights or cache are less precise than the model's."""
    if options.get("quantization") is not None:
        return f"quantization = {options['quantization']}"
    cache = options.get("kv_cache_dtype", "auto")
    return None if cache in PRECISE_CACHES else f"kv_cache_dtype = {cache}"


def _processes(options: Mapping[str, Any]) -> int:
    together = options.get("tensor_parallel_size", 1)
    if type(together) is not int or together < 1:
        raise UserError(f"tensor_parallel_size = {together!r} is no number of processes: give 1, 2, 4, ...")
    return together
