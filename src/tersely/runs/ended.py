"""What the processes of one piece of work keep until it is done, each in a log of its own: ``RUN/ended-RANK.jsonl``.

The first process has the run folder locked for all of them. A line is on disk within a second.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tersely.records import Json, JsonObject
from tersely.runs import disk as storage
from tersely.runs.checks import LogEnd, with_room
from tersely.runs.logs import ENDED, json_line, read_end, read_log, sign_lines, size_of, whole_bytes

NAME = re.compile(rf"{ENDED}\d+\.jsonl")

SECONDS = 1.0
"""Between two writes: many short responses are not made slow by the disk."""


class EndedLog:
    """The log of process ``rank``, which no other writes."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.path = folder / f"{ENDED}{rank}.jsonl"
        self._lines: list[str] = []
        self._end: LogEnd | None = None
        self._written = time.monotonic()

    def append(self, records: Sequence[JsonObject]) -> None:
        """Called again and again, also with nothing. StorageError if the disk refuses."""
        self._lines += [json_line(self.path.stem, with_room(record)) for record in records]
        if time.monotonic() - self._written > SECONDS:
            self.flush()

    def flush(self) -> None:
        """All lines are on disk on return."""
        if self._lines:
            lines, end = sign_lines(self._lines, self._end or self._take_up())
            self._end = None  # a write that is interrupted leaves the log longer than it was
            storage.append_lines(self.path, lines)
            self._end, self._lines = end, []
        self._written = time.monotonic()

    def _take_up(self) -> LogEnd:
        """Where the log ends, without the line that a crash tore."""
        whole = whole_bytes(self.path)
        if whole < size_of(self.path):
            storage.truncate(self.path, whole)
        return read_end(self.path)


def read_ended(folder: Path) -> Iterator[Json]:
    """Every line that was kept."""
    for path in ended_logs(folder):
        yield from read_log(path, allow_torn=True)


def drop_ended(folder: Path) -> None:
    """The work is done: nothing of this is needed any more."""
    for path in ended_logs(folder):
        storage.remove(path)


def ended_logs(folder: Path) -> list[Path]:
    """Those that are there, of however many processes."""
    return sorted(path for path in folder.glob(f"{ENDED}*.jsonl") if NAME.fullmatch(path.name))
