"""What holds for every test: one hypothesis profile without deadlines (time decides nothing), and three tiers."""

from __future__ import annotations

import atexit
import gc

import pytest
from hypothesis import settings

settings.register_profile("tersely", deadline=None)
settings.load_profile("tersely")

# hypothesis times garbage collection by a callback that it never takes away. Where a process ends, its module may be
# empty before the last collections, and each of them prints a traceback.
atexit.register(gc.callbacks.clear)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``long`` run only where ``-m`` names them (``scripts/long``), whatever else it says."""
    if "long" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
