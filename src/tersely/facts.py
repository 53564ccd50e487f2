"""What every "auto" of a configuration means on this machine: found out once, here, and recorded as a fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from tersely.config import SamplingConfig
from tersely.models.device import pick_device, pick_dtype
from tersely.samplers.base import EngineTraits
from tersely.samplers.engines import read_options, resolve_engine

Own = Callable[[torch.device], torch.device]

PLAIN = EngineTraits()

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """Example: ``Facts(torch.device("cpu"), torch.float32, "transformers")``."""

    device: torch.device
    dtype: torch.dtype
    """Of forward, backward and sampling."""
    engine: str
    """What decodes."""
    traits: EngineTraits = PLAIN
    """What its options make of it."""
    options: Mapping[str, Any] = field(default_factory=lambda: NO_OPTIONS)
    """Of the engine, by its own names."""

    @classmethod
    def of(
        cls,
        engine: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        own: Own = lambda d: d,
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> Facts:
        """UserError for a device that is unknown or not there, an unknown engine, and options it does not know.

        ``own`` gives each of several processes its own device of a kind.
        """
        place = own(pick_device(device))
        decodes = resolve_engine(engine, place.type)
        return cls(place, pick_dtype(dtype, place), decodes, read_options(decodes, options), options)

    @classmethod
    def asked(cls, sampling: SamplingConfig, device: str, dtype: str, own: Own = lambda d: d) -> Facts:
        """``of`` the settings of a configuration."""
        return cls.of(sampling.engine, device, dtype, own, sampling.engine_options)

    def to_json(self) -> dict[str, str]:
        """As a checkpoint keeps them."""
        dtype = str(self.dtype).removeprefix("torch.")
        return {"engine": self.engine, "device": self.device.type, "dtype": dtype}
