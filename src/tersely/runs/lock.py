"""Who works in a run folder now: a lock that the kernel drops when its process dies."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tersely.errors import UserError
from tersely.runs import disk

LOCK = ".lock"


def take_lock(path: Path) -> int:
    """Lock the folder or refuse with the name of the process that works there; returns what ``disk.unlock`` takes."""
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    text = json.dumps({"pid": os.getpid(), "host": os.uname().nodename, "started": started})
    try:
        return disk.lock(path / LOCK, text)
    except disk.LockHeldError as held:
        raise UserError(
            f"{path} is in use by {_holder(held.holder)}; wait for it to end or name another folder"
        ) from None


def _holder(text: str) -> str:
    try:
        found = json.loads(text)
        return f"process {found['pid']} on {found['host']}, started {found['started']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
