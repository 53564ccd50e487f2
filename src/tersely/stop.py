"""Ctrl-C and SIGTERM as a request: the work finishes its step, saves, and ends. A second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from tersely.terminal import say

PARENT = "TERSELY_PARENT"
"""Environment variable: the process that started us and whose end is ours."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818 - not an error: the work was saved
    """Raised at a safe point after a stop was asked for; ``exit_code`` is 128 + signal number."""

    def __init__(self, signum: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}: {where}; the same command goes on from here")
        self.exit_code = 128 + signum


class Interrupted(KeyboardInterrupt):
    """The second signal: no time to save."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


class StopRequest:
    """Context manager; ``requested`` holds the signal's number once one came. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._handle) for s in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise Interrupted(signum)
        self.requested = signum
        say("\nfinishing this step, then saving (once more to end at once)", error=True)


def hear_interrupts() -> None:
    """A Ctrl-C becomes a KeyboardInterrupt again, once there is somebody who says a sentence (``tersely.__main__``)."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with_parent() -> None:
    """Where PARENT names a process, ask ourselves to stop (save and end) once it is no longer our parent.

    So a quickstart that is killed outright leaves nobody working in the folders that its next try will need.
    """
    parent = int(os.environ.get(PARENT, "0"))
    if parent:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
