"""What every "auto" of a configuration means on this machine: found out once, here, and recorded as a fact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tersely.models.device import pick_device, pick_dtype
from tersely.samplers.engines import resolve_engine

Own = Callable[[torch.device], torch.device]


@dataclass(frozen=True, slots=True)
class Facts:
    """Example: ``Facts(torch.device("cpu"), torch.float32, "transformers")``."""

    device: torch.device
    dtype: torch.dtype
    """Of forward, backward and sampling."""
    engine: str
    """What decodes."""

    @classmethod
    def of(cls, engine: str = "auto", device: str = "auto", dtype: str = "auto", own: Own = lambda d: d) -> Facts:
        """UserError for a device that is unknown or not there, and for an unknown engine.

        ``own`` gives each of several processes its own device of a kind.
        """
        place = own(pick_device(device))
        return cls(place, pick_dtype(dtype, place), resolve_engine(engine, place.type))

    def to_json(self) -> dict[str, str]:
        """As a checkpoint keeps them."""
        dtype = str(self.dtype).removeprefix("torch.")
        return {"engine": self.engine, "device": self.device.type, "dtype": dtype}
