"""Weights & Biases. Its environment variables hold (WANDB_PROJECT, WANDB_MODE=offline, WANDB_DIR, ...)."""

from __future__ import annotations

import os

from tersely.trackers.base import PROJECT, LogTracker, TrackedRun, TrackerSpec


def open_wandb(run: TrackedRun) -> LogTracker:
    import wandb

    # It would put its own streams in place of the terminal's, under our progress.
    quiet = wandb.Settings(console="off")
    return LogTracker(run, "wandb", os.environ.get("WANDB_PROJECT") or PROJECT, settings=quiet)


SPEC = TrackerSpec("wandb", open_wandb)
