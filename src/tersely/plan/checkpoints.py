"""Bytes of a checkpoint: on the disk, and in the main memory of the process that writes it."""

from __future__ import annotations

from tersely.plan.memory import Layout
from tersely.plan.shape import ModelShape


def main_memory_bytes(shape: ModelShape, layout: Layout, adapter: int) -> float:
    """Of the first process: with several GPUs it loads the base and, in a resume, the checkpoint in fp32, and gathers
    what a checkpoint holds; alone it loads one model at a time on its way to the GPU."""
    saved = checkpoint_bytes(shape, layout, adapter)
    loaded = 4.0 if layout.lora is None else float(layout.element)
    return max((2 if layout.shard != "none" else 1) * loaded * shape.parameters, saved)


def checkpoint_bytes(shape: ModelShape, layout: Layout, adapter: int = 0) -> float:
    """Of one checkpoint with its training state: served weights in ``b``, moments, and masters where they are other
    weights; of a split master its lower half."""
    served = float(layout.element) * shape.parameters
    if layout.lora is not None:
        return served + (4.0 + 8.0) * adapter
    masters = 4.0 if layout.cast else 0.0
    return served + (masters + layout.state_bytes[2]) * shape.parameters
