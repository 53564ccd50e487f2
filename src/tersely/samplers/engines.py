"""The engines by name: the only place that knows which there are, and what "auto" means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely import plugins
from tersely.config import SamplingConfig
from tersely.errors import UserError
from tersely.samplers.base import EngineSpec, EngineTraits, Sampler, SamplerRequest

if TYPE_CHECKING:
    import torch

AUTO = "auto"
TRANSFORMERS = "transformers"
"""The engine whose decoders are ours, and are compared with the model's own forward at load."""

ENDPOINT = "endpoint"
"""The engine that only samples, from a server; `--endpoint` names it, no setting does."""

ENGINES = {
    "vllm": "tersely.samplers.vllm:SPEC",
    TRANSFORMERS: "tersely.samplers.transformers:SPEC",
}
"""Name -> where the engine declares itself, as one writes a user's own: an engine's file imports torch, which those who
only ask whether a name is right can do without. "auto" takes the first that is available."""

REQUIRED = ("generate", "load_weights", "close")
"""What a sampler must have."""


def require_engine(name: str) -> None:
    """UserError unless ``name`` is "auto", one of ``ENGINES``, or a user's own that is an engine indeed."""
    if name == ENDPOINT:
        from tersely.samplers.endpoint.sampler import ONLY_SAMPLES

        raise UserError(ONLY_SAMPLES)
    if plugins.is_own(name):
        find_engine(name)
    elif name != AUTO:
        plugins.find("engine", name, {AUTO: "", **ENGINES})


def find_engine(name: str) -> EngineSpec:
    """The engine of that name, or a user's own, ``package.module:SPEC``. Not of "auto": resolve it first."""
    path = name if plugins.is_own(name) else plugins.find("engine", name, ENGINES)
    spec = plugins.load("engine", path)
    if not isinstance(spec, EngineSpec):
        raise UserError(
            f"engine {name!r} is of type {type(spec).__name__}, not EngineSpec: make it with "
            "tersely.samplers.EngineSpec(make=...) and name that"
        )
    plugins.require_signature("engine", name, spec.make, "request")
    return spec


def resolve_engine(name: str, device_type: str) -> str:
    """What "auto" means on "cuda" or "cpu": vLLM on a GPU that has it, because it starts the next response where one
    ends and keeps the cache in pages; else transformers. Any other name is returned once it is known to be one."""
    if name == AUTO:
        return next(engine for engine in ENGINES if find_engine(engine).available(device_type))
    require_engine(name)
    return name


def read_options(engine: str, options: Mapping[str, Any]) -> EngineTraits:
    """What its options make of a resolved engine; UserError for those that it does not know."""
    read = find_engine(engine).read_options
    if not options:
        return EngineTraits()
    if read is None:
        raise UserError(
            f"the engine {engine} has no options, so {next(iter(options))} means nothing to it: leave it out, or take "
            "an engine that knows it, such as vllm"
        )
    return read(options)


def make_sampler(
    settings: SamplingConfig,
    model: Any,
    tokenizer: Any,
    folder: Path,
    dtype: torch.dtype,
    longest_prompt: int | None = None,
) -> Sampler:
    """The engine named by ``settings.engine``, sampling from the weights of ``model`` in ``dtype``.

    ``folder`` holds the model's configuration; ``longest_prompt`` (tokens) bounds what an engine must hold a request.
    """
    engine = resolve_engine(settings.engine, model.device.type)
    read_options(engine, settings.engine_options)
    request = SamplerRequest(settings, model, tokenizer, folder, dtype, longest_prompt)
    sampler = find_engine(engine).make(request)
    missing = [name for name in REQUIRED if not callable(getattr(sampler, name, None))]
    if missing:
        raise UserError(
            f"engine {engine!r} made a {type(sampler).__name__}, which has no method {missing[0]}: a sampler needs "
            f"{', '.join(REQUIRED)} (tersely.samplers.Sampler)"
        )
    return sampler
