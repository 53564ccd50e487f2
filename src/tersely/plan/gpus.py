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
"""From the maker's data sheets, not measured by us; of H100, H200, L40S and L4 they print twice these products, which
hold for sparse weights.

B200: NVIDIA Blackwell architecture technical brief (HGX B200, 1,000 W). H200, H100: their data sheets (SXM; 1,979
sparse). A100: its data sheet (SXM; 2,039 and 1,555 GB/s). L40S, L4: their data sheets (733 and 242 sparse). 4090:
NVIDIA Ada architecture white paper (165.2, fp32 sums; 1,008 GB/s). 3090: NVIDIA Ampere GA102 white paper (71, fp32
sums). T4: its data sheet. All but the 3090's products were compared on 2026-11-30 with pages that quote these.
"""


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
