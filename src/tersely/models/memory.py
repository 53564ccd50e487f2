"""Memory that ran out: how it is told from other errors, and the sentence of a command that only samples."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import torch

from tersely.errors import RunError

_ALLOCATION = re.compile(r"tried to allocate ([\d.]+ \w+)", re.IGNORECASE)


@contextlib.contextmanager
def rows_said(max_rows: int, option: str) -> Iterator[None]:
    """The same where a model is only sampled from, ``max_rows`` responses at once: ``option`` is what sets them."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        cured = f"use {option}{max_rows // 2}" if max_rows > 1 else "take a smaller model or a machine with more memory"
        raise RunError(
            f"memory ran out while sampling{asked_for(error)}: {cured} (now {max_rows}); what is finished is saved, "
            "and the same command goes on from it"
        ) from error


def asked_for(error: BaseException) -> str:
    found = _ALLOCATION.search(str(error))
    return f" ({found[1]} more were asked for)" if found else ""


def ran_out(error: BaseException) -> bool:
    """Whether this is lack of memory: an error of its own on a GPU, a plain RuntimeError of the allocator on a CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)
