"""Bytes of checkpoints: on the disk, and in the main memory of the process that writes one."""

from __future__ import annotations

from dataclasses import dataclass

from tersely.config import TrainConfig
from tersely.plan.memory import STATE, Layout


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """What a run's checkpoints take, in bytes."""

    whole: float
    """One with everything that a run goes on from."""
    weights: float
    """What is kept of an older one."""
    held: int
    """Whole ones that exist for a moment: those kept, and one that is being written."""
    points: int
    """Older ones of which the weights stay."""

    @property
    def total(self) -> float:
        return self.held * self.whole + self.points * self.weights

    def words(self) -> str:
        many = f"{self.held} checkpoints of {gb(self.whole)}"
        return many + (f" and the weights of {self.points} older ones, {gb(self.weights)} each" if self.points else "")


def disk_need(config: TrainConfig, layout: Layout, parameters: int, adapter: int = 0) -> DiskNeed:
    """Of the whole run, of a model of so many parameters (``adapter``: of LoRA's own)."""
    made = -(-config.run.steps // config.run.checkpoint_every)
    older = max(0, made - config.run.keep) if config.checkpoint.weights_only else 0
    held = min(made, config.run.keep + 1)
    return DiskNeed(checkpoint_bytes(parameters, layout, adapter), float(layout.element) * parameters, held, older)


def disk_refusal(config: TrainConfig, need: DiskNeed, free: float, place: str) -> str | None:
    """One sentence where ``free`` bytes are too few for the run's checkpoints; None where they are enough."""
    if need.total <= free:
        return None
    lean = need.held * need.whole
    every = _fewer_points(config, need, free)
    if need.points and every is not None:
        cure = f"use --set run.checkpoint_every={every}"
    elif need.points and lean <= free:
        cure = "use --set checkpoint.weights_only=false"
    else:
        cure = f"free {gb(lean - free)} there, or name a folder on a larger disk"
    return f"{place} has {gb(free)} free, and this run keeps {need.words()}, in all {gb(need.total)}: {cure}"


def _fewer_points(config: TrainConfig, need: DiskNeed, free: float) -> int | None:
    """Steps between checkpoints that leave room for the weights of all; None where that would be above ten times as
    many."""
    room = int((free - need.held * need.whole) // need.weights)
    if room < 1:
        return None
    every = -(-config.run.steps // (room + config.run.keep))
    return every if every <= 10 * config.run.checkpoint_every else None


def checkpoint_bytes(parameters: int, layout: Layout, adapter: int = 0) -> float:
    """Of one checkpoint with its training state: served weights in ``b``, moments, and masters where they are other
    weights; of a split master its lower half."""
    served = float(layout.element) * parameters
    if layout.lora is not None:
        weight, _, state = STATE["adam"]
        return served + (2 * weight + state) * adapter
    masters = layout.state_bytes[0] if layout.cast else 0.0
    return served + (masters + layout.state_bytes[2]) * parameters


def main_memory_bytes(parameters: int, layout: Layout, adapter: int = 0) -> float:
    """Of the first process beside a GPU: of several it loads the base and, in a resume, the checkpoint in fp32, and
    gathers what a checkpoint holds; alone it loads one model at a time on its way to the GPU."""
    each = 4.0 if layout.lora is None else float(layout.element)
    loaded = each * parameters * (2 if layout.shard != "none" else 1)
    return max(loaded, checkpoint_bytes(parameters, layout, adapter))


def gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"
