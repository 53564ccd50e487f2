"""What holds for every test: hypothesis has no deadlines (time decides nothing), and there are three tiers."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("tersely", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=20)
settings.load_profile("tersely")

# hypothesis times garbage collection by a callback that it never takes away. Where a process ends, its module may be
# empty before the last collections, and each of them prints a traceback.
atexit.register(gc.callbacks.clear)


def no_fsync(descriptor: int) -> None:
    """Instead of ``os.fsync``, which takes longest in many a test: what a killed process wrote stays, and nobody pulls
    the plug here. That fsync is called, and for what, tests/runs/test_disk.py knows."""


def pytest_configure(config: pytest.Config) -> None:
    """The fast tests draw a fifth of the examples that a run of all draws; tests that set a number keep theirs."""
    os.fsync = no_fsync
    gc.disable()  # until all is imported, of which hardly anything is garbage
    if config.option.markexpr == "not slow":
        settings.load_profile("fast")


@pytest.fixture
def group() -> Iterator[None]:
    """A group of this process alone: its shares are what they are among many, only larger."""
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


LONGEST = {"test_parallel", "test_quickstart", "test_loop", "test_folder", "test_first_model", "test_wheel"}
LONGEST |= {"test_bytes", "test_cli", "test_parallel_evaluation", "test_trl"}
"""Modules with tests that take long: begun first, so that no worker waits at the end for another one's last test."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``long`` run only where ``-m`` names them (``scripts/long``), whatever else it says."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    if "long" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def pytest_collection_finish() -> None:
    """What was imported stays: collections of garbage that go through all of it took a quarter of the time."""
    gc.freeze()
    gc.enable()
