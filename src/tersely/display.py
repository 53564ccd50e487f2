"""Progress for people: a live rich display on a terminal, one plain line a step elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol

from tersely.terminal import make_console, say, visible


class Display(Protocol):
    """What long work tells while it goes on."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def note(self, text: str) -> None:
        """One line that stays."""

    def phase(self, name: str, done: int, total: int) -> None:
        """Where the present step stands."""

    def step(self, done: int, total: int, numbers: Mapping[str, str]) -> None:
        """A step has ended."""


class Pace:
    """How long the rest will take, by the speed since the first step that was seen (a resumed run starts late)."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def left(self, done: int, total: int, now: float) -> str:
        """Such as "about 3 min left"; empty at the first step, and where nothing is left. ``now`` is in seconds."""
        if self._first is None or done <= self._first[0]:
            self._first = (done, now)
        first, began = self._first
        if done == first or done >= total:
            return ""
        return f"about {duration((now - began) / (done - first) * (total - done))} left"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class PlainDisplay:
    """One line a step on standard error: in a file, and in a notebook. ``now`` gives seconds."""

    def __init__(self, title: str, now: Callable[[], float] = time.monotonic) -> None:
        self.title, self._now, self._pace = title, now, Pace()

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def note(self, text: str) -> None:
        say(f"{self.title}: {text}", error=True)

    def phase(self, name: str, done: int, total: int) -> None:
        return None

    def step(self, done: int, total: int, numbers: Mapping[str, str]) -> None:
        parts = [
            f"{done}/{total}",
            *(f"{k} {v}" for k, v in numbers.items()),
            self._pace.left(done, total, self._now()),
        ]
        self.note("  ".join(filter(None, parts)))


class SilentDisplay(PlainDisplay):
    """Says nothing: one of several processes of a run that another speaks for."""

    def note(self, text: str) -> None:
        return None


class RichDisplay:
    """A bar for the whole, a bar for the present step, and the latest numbers."""

    def __init__(self, title: str) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.title = title
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=make_console(stderr=True),
        )
        self._whole: Any = None
        self._part: Any = None

    def __enter__(self) -> RichDisplay:
        self._progress.start()
        self._whole = self._progress.add_task(visible(self.title), total=None, numbers="")
        self._part = self._progress.add_task("", total=None, numbers="", visible=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.update(self._part, visible=False)
        self._progress.stop()

    def note(self, text: str) -> None:
        self._progress.console.print(text)

    def phase(self, name: str, done: int, total: int) -> None:
        self._progress.update(self._part, description=f"  {visible(name)}", completed=done, total=total, visible=True)

    def step(self, done: int, total: int, numbers: Mapping[str, str]) -> None:
        text = visible("  ".join(f"{k} {v}" for k, v in numbers.items()))
        self._progress.update(self._whole, completed=done, total=total, numbers=text)


def speaks() -> bool:
    """Whether this process talks to the user: of those that torchrun starts only the first."""
    return os.environ.get("RANK", "0") == "0"


def make_display(title: str) -> Display:
    if not speaks():
        return SilentDisplay(title)
    return RichDisplay(title) if sys.stderr.isatty() else PlainDisplay(title)
