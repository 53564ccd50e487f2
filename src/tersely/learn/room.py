"""Whether the disk of a run folder holds what the run will keep there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.facts import Facts
from tersely.plan.checkpoints import disk_need, disk_refusal
from tersely.plan.memory import layout_of
from tersely.runs import disk
from tersely.runs.logs import DONE
from tersely.runs.manifest import CHECKPOINTS, WEIGHTS

ROUNDING = 1.05
"""Of what is needed: configuration, tokenizer, logs, and whole blocks of a file system."""


def require_disk(out: Path, config: TrainConfig, facts: Facts, model: Any, processes: int) -> None:
    """UserError, with its cure, where the disk of ``out`` cannot hold the checkpoints of this run at their most. What
    the run keeps there already counts as room; finished work needs none."""
    if (out / DONE).is_file():
        return
    need = disk_need(
        config, layout_of(config, facts.device.type, processes), sum(p.numel() for p in model.parameters())
    )
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = (disk.free_bytes(place) + own_bytes(out)) / ROUNDING
    if (reason := disk_refusal(config, need, free, str(place))) is not None:
        raise UserError(reason)


def own_bytes(out: Path) -> int:
    """What the checkpoints of a run take already."""
    kept = [out / name for name in (CHECKPOINTS, WEIGHTS) if (out / name).is_dir()]
    return sum(path.stat().st_size for folder in kept for path in disk.regular_files(folder))
