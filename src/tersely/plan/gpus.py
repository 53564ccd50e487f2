"""GPUs by name: what their makers promise. Nothing runs faster; what is reached of it is ``tersely.plan.time``'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tersely.errors import require_known
from tersely.plan.time import ASSUMED, Machine


@dataclass(frozen=True, slots=True)
class Gpu:
    """Example: ``Gpu(memory=80e9, flops=989e12, bandwidth=3.35e12)``."""

    memory: float
    """Bytes."""
    flops: float
    """Dense bf16 products with fp32 sums, operations a second."""
    bandwidth: float
    """Bytes a second."""


GPUS: Mapping[str, Gpu] = MappingProxyType(
    {
        "b200": Gpu(180e9, 2250e12, 8.0e12),
        "h200": Gpu(141e9, 989e12, 4.8e12),
        "h100": Gpu(80e9, 989e12, 3.35e12),
        "a100-80": Gpu(80e9, 312e12, 2.04e12),
        "a100-40": Gpu(40e9, 312e12, 1.56e12),
        "l40s": Gpu(48e9, 362e12, 0.864e12),
        "4090": Gpu(24e9, 165e12, 1.01e12),
        "3090": Gpu(24e9, 71e12, 0.936e12),
        "l4": Gpu(24e9, 121e12, 0.3e12),
        # No bf16 of its own: what it reaches in fp32.
        "t4": Gpu(16e9, 8.1e12, 0.32e12),
    }
)
"""From the makers' data sheets (SXM forms of B200, H200, H100 and A100), without sparsity; not measured by us."""


def find_gpu(name: str) -> Gpu:
    """UserError for a GPU that is not in the table."""
    return GPUS[require_known("GPU", name.lower(), GPUS)]


def machines_of(name: str) -> dict[str, Machine]:
    """The assumed machines with the ceilings of this GPU."""
    gpu = find_gpu(name)
    found = {
        kind: replace(machine, name=f"{name.upper()}, {kind}", flops=gpu.flops, bandwidth=gpu.bandwidth)
        for kind, machine in ASSUMED.items()
    }
    return {machine.name: machine for machine in found.values()}
