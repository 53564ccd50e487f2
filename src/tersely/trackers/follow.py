"""A tracker told of a run: while it trains (and never in its way), or afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tersely.errors import RunError, in_one_line
from tersely.journal import StepRecord
from tersely.records import JsonObject
from tersely.trackers import NONE, find_tracker
from tersely.trackers.base import Tracker, numbers_of
from tersely.trackers.history import steps_of, tracked_run

Follower = Callable[[StepRecord], None]
"""A callback of a training run."""
_FAILURES = (Exception, SystemExit)
"""What a stranger's library may raise; some of them leave the process."""


@contextmanager
def followed(
    name: str, run: Path | None, samples: Callable[[], Sequence[JsonObject]], note: Callable[[str], None]
) -> Iterator[list[Follower]]:
    """The callbacks that tell tracker ``name`` of a run: one, or none for "none" and without a run folder.

    A run that goes on tells what it did before first, so that a tracker's run is always whole. ``samples`` gives those
    of the step just told. Whatever the tracker raises is one ``note``, and it is told no more.
    """
    if name == NONE or run is None:
        yield []
        return
    following = _Following(name, run, note)
    following.try_to(following.begin)
    try:
        yield [lambda record: following.try_to(lambda: following.tell(record, samples()))]
    finally:
        following.try_to(following.finish)


class _Following:
    def __init__(self, name: str, run: Path, note: Callable[[str], None]) -> None:
        self.name, self.run, self.note = name, run, note
        self.tracker: Tracker | None = None
        self.has_failed = False

    def try_to(self, act: Callable[[], None]) -> None:
        if self.has_failed:
            return
        try:
            act()
        except _FAILURES as error:
            self.has_failed = True
            later = shlex.join(["tersely", "replay", str(self.run), "--to", self.name])
            self.note(f"tracker {self.name} failed ({in_one_line(error)}): the run goes on; `{later}` tells it later")

    def begin(self) -> None:
        self.tracker = find_tracker(self.name).open(tracked_run(self.run))
        for record, samples in steps_of(self.run):
            self.tell(record, samples)

    def tell(self, record: StepRecord, samples: Sequence[JsonObject]) -> None:
        if self.tracker is not None:
            self.tracker.step(record.step, numbers_of(record), samples)

    def finish(self) -> None:
        if self.tracker is not None:
            self.tracker.finish()


def replay(run: Path, name: str) -> int:
    """Tell tracker ``name`` of a run that has been; returns how many steps. UserError for what is no training run, and
    where the library is missing; RunError where the tracker fails."""
    tracked, steps = tracked_run(run), list(steps_of(run))
    spec = find_tracker(name)
    try:
        tracker = spec.open(tracked)
        for record, samples in steps:
            tracker.step(record.step, numbers_of(record), samples)
        tracker.finish()
    except _FAILURES as error:
        raise RunError(f"tracker {name} failed ({in_one_line(error)}): nothing of {run} is changed") from error
    return len(steps)
