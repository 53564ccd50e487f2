"""Trackers: where the steps of a run are shown while it goes on. One file each, and one line in ``TRACKERS``.

A tracker is told; nothing that it does or fails to do changes a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from tersely.errors import UserError, require_known
from tersely.extras import install_command
from tersely.trackers import tensorboard, trackio, wandb
from tersely.trackers.base import TrackerSpec

NONE = "none"

TRACKERS: Mapping[str, TrackerSpec] = MappingProxyType(
    {
        "trackio": trackio.SPEC,
        "wandb": wandb.SPEC,
        "tensorboard": tensorboard.SPEC,
    }
)
"""Trackers by the name that ``run.report_to`` and ``tersely replay --to`` use."""


def find_tracker(name: str) -> TrackerSpec:
    """The tracker of that name; UserError where there is none such, or its library is not here."""
    spec = TRACKERS[require_known("tracker", name, TRACKERS)]
    found = find_spec(spec.library)
    # A folder of that name in the working directory, as wandb makes one, is found too, but has no file to load.
    if found is None or found.origin is None:
        raise UserError(f"tracker {name} needs the library {spec.library}: {install_command(name)}")
    return spec


def require_tracker(name: str) -> None:
    """UserError unless ``name`` is "none" or a tracker that can be used here."""
    if name != NONE:
        require_known("tracker", name, [NONE, *TRACKERS])
        find_tracker(name)
