"""Trackio, which keeps runs on this machine, or in a space of the hub. Its environment variables hold (TRACKIO_DIR,
TRACKIO_PROJECT, TRACKIO_SPACE_ID, ...)."""

from __future__ import annotations

import os

from tersely.trackers.base import PROJECT, LogTracker, TrackedRun, TrackerSpec


def open_trackio(run: TrackedRun) -> LogTracker:
    return LogTracker(run, "trackio", os.environ.get("TRACKIO_PROJECT") or PROJECT)


SPEC = TrackerSpec("trackio", open_trackio)
