"""Where responses come from: one small protocol, whatever engine stands behind it."""

from __future__ import annotations

from tersely.samplers.base import EngineSpec, Prompt, Sampler, SamplerRequest, Sampling, row_seeds, uniforms

__all__ = ["EngineSpec", "Prompt", "Sampler", "SamplerRequest", "Sampling", "row_seeds", "uniforms"]
