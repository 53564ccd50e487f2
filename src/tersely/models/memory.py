"""Memory that ran out: how it is told from other errors, and the one sentence about it.

What would cure it is for the caller to say, who knows the settings.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Literal

from tersely.errors import RunError

Phase = Literal["loading", "sampling", "updating"]

_ALLOCATION = re.compile(r"tried to allocate ([\d.]+ \w+)", re.IGNORECASE)


@contextlib.contextmanager
def explain_out_of_memory(phase: Phase, cure: Callable[[], str]) -> Iterator[None]:
    """RunError for memory that runs out inside: in which phase, how much was asked for, and the cure. Other errors pass
    as they are."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise RunError(f"memory ran out while {phase}{_asked_for(error)}: {cure()}") from error


def ran_out(error: BaseException) -> bool:
    """Whether this is lack of memory: an error of its own on a GPU, a plain RuntimeError of the allocator on a CPU."""
    import torch

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def _asked_for(error: BaseException) -> str:
    found = _ALLOCATION.search(str(error))
    return f" ({found[1]} more were asked for)" if found else ""
