"""Crash points, enumerated: die at every storage call of a command, run the same command again, compare the end.

``run`` is "the command": a callable that takes the run folder's path and works to the end, resuming what it finds
there. Each run happens in a forked child of its own, which a crash ends with SIGKILL: no ``finally``, no ``except`` and
no destructor gets a say, exactly as in life, and the parent stays free of threads and of global state.

    points = survive_every_crash(run, tmp_path, look)
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.runs import disk

Run = Callable[[Path], object]
WRITING = frozenset({"make_dir", "write_file", "append_lines", "produce", "lock"})
"""Operations that need room on the disk."""


@dataclass(frozen=True)
class Point:
    """One moment of one storage call, ``moment`` being "before", "after" or "torn"."""

    index: int
    operation: str
    path: str
    moment: str


class Recorder:
    """Observer that lists the storage calls as they begin."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def before(self, operation: str, path: Path) -> bool:
        self.calls.append((operation, str(path)))
        return False

    def after(self, operation: str, path: Path) -> None:
        return None


class Reaper(Recorder):
    """Observer that kills this very process at ``point``."""

    def __init__(self, index: int, moment: str) -> None:
        super().__init__()
        self._index, self._moment = index, moment

    def _due(self) -> bool:
        return len(self.calls) - 1 == self._index

    def before(self, operation: str, path: Path) -> bool:
        super().before(operation, path)
        if self._due() and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return self._due() and self._moment == "torn"

    def after(self, operation: str, path: Path) -> None:
        if self._due():
            os.kill(os.getpid(), signal.SIGKILL)


class Refuser(Recorder):
    """Observer that makes the n-th call that needs room fail with ``code`` (and all later ones if ``for_good``)."""

    def __init__(self, nth: int, code: int = errno.ENOSPC, *, torn: bool = False, for_good: bool = False) -> None:
        super().__init__()
        self._nth, self._code, self._torn, self._for_good = nth, code, torn, for_good
        self._seen = 0
        self._pending = False

    def before(self, operation: str, path: Path) -> bool:
        super().before(operation, path)
        if operation not in WRITING:
            return False
        self._seen += 1
        due = self._seen - 1 >= self._nth if self._for_good else self._seen - 1 == self._nth
        self._pending = due and self._torn and operation in disk.TEARABLE
        if due and not self._pending:
            raise OSError(self._code, os.strerror(self._code))
        return self._pending

    def after(self, operation: str, path: Path) -> None:
        if self._pending:
            self._pending = False
            raise OSError(self._code, os.strerror(self._code))


def in_child(action: Callable[[], object], observer: disk.Observer | None = None) -> int:
    """Run ``action`` in a forked child; returns 0, or the number of the signal that ended it. Fails if it raised."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with disk.observed_by(observer or Recorder()):
                action()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "the command raised (traceback above)"
        return 0
    return os.WTERMSIG(status)


def calls_of(run: Run, folder: Path) -> list[tuple[str, str]]:
    """The storage calls of ``run(folder)``, in order, as (operation, path)."""
    recorder = Recorder()
    listing = folder.with_name(folder.name + ".calls.json")

    def action() -> None:
        run(folder)
        listing.write_text(json.dumps(recorder.calls))

    assert in_child(action, recorder) == 0
    return [(operation, path) for operation, path in json.loads(listing.read_text())]


def crash_points(calls: list[tuple[str, str]]) -> list[Point]:
    """Before and after every call, and in the middle of those that can be half done."""
    return [
        Point(index, operation, path, moment)
        for index, (operation, path) in enumerate(calls)
        for moment in ("before", "torn", "after")
        if moment != "torn" or operation in disk.TEARABLE
    ]


def one_of_each_kind(points: list[Point], chance: random.Random) -> list[Point]:
    """Of the points that differ in nothing but numbers (which step, which call), any one."""
    kinds: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        kinds.setdefault((point.operation, re.sub(r"\d+", "#", point.path), point.moment), []).append(point)
    return [chance.choice(alike) for alike in kinds.values()]


def survive_every_crash(
    run: Run,
    root: Path,
    look: Callable[[Path], Any],
    *,
    stride: int = 1,
    kinds: bool = False,
    twice: bool = False,
    seed: int = 0,
    only: Callable[[Point], bool] = lambda point: True,
) -> list[Point]:
    """Assert that ``run``, killed at any crash point and run again, ends as if it had never been killed.

    ``look(folder)`` is what must be equal (weights, logs, names of files, ...). ``kinds`` takes one point of each kind,
    ``stride`` every n-th of them, ``only`` those that it is true of.
    With ``twice`` the second run is killed too, at a seeded random storage call of its first ten, and a third one
    finishes. Returns the points that were tried.
    """
    whole = root / "whole"
    calls = calls_of(run, whole)
    wanted = look(whole)
    chance = random.Random(seed)
    points = [point for point in crash_points(calls) if only(point)]
    points = (one_of_each_kind(points, chance) if kinds else points)[::stride]
    assert points, "the command makes no storage call"
    for point in points:
        folder = root / "crashed" / "run"
        folder.parent.mkdir()
        killed = in_child(lambda: run(folder), Reaper(point.index, point.moment))  # noqa: B023 (used at once)
        assert killed == signal.SIGKILL, f"{point} was not reached: the command is not deterministic"
        if twice:
            moment = chance.choice(["before", "after"])
            in_child(lambda: run(folder), Reaper(chance.randrange(10), moment))  # noqa: B023
        in_child(lambda: run(folder))  # noqa: B023
        found = look(folder)
        assert found == wanted, f"after a crash at {point} the end differs: {_first_difference(found, wanted)}"
        shutil.rmtree(folder.parent)
    return points


def _first_difference(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}, key=str):
            if found.get(key) != wanted.get(key):
                return f"{key}: {found.get(key)!r} instead of {wanted.get(key)!r}"
    return f"{found!r} instead of {wanted!r}"
