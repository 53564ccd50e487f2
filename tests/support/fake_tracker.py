"""A library with the interface of wandb and trackio that keeps what it is told, or fails where it should."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from tersely.trackers import TRACKERS
from tersely.trackers.base import LogTracker, TrackerSpec


class FakeLibrary(ModuleType):
    """``fails`` names the function that raises, every time it is called."""

    def __init__(self, fails: str | None = None, error: BaseException | None = None) -> None:
        super().__init__("fake_tracker_library")
        self.fails, self.error = fails, error or OSError("no network")
        self.calls: list[str] = []
        self.runs: list[FakeRun] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails:
            raise self.error

    def init(self, project: str, name: str, config: dict[str, Any]) -> None:
        self._called("init")
        self.runs.append(FakeRun(project, name, config))

    def log(self, metrics: dict[str, Any], step: int) -> None:
        self._called("log")
        self.runs[-1].steps.append((step, metrics))

    def finish(self) -> None:
        self._called("finish")
        self.runs[-1].is_finished = True

    def Table(self, columns: list[str], data: list[list[Any]]) -> list[dict[str, Any]]:
        return [dict(zip(columns, row, strict=True)) for row in data]


@dataclass
class FakeRun:
    project: str
    name: str
    config: dict[str, Any]
    steps: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    is_finished: bool = False


def put_in_place(monkeypatch: pytest.MonkeyPatch, library: FakeLibrary) -> FakeLibrary:
    """``run.report_to = "fake"`` from now on."""
    import sys
    from importlib.machinery import ModuleSpec

    import tersely.trackers

    library.__spec__ = ModuleSpec(library.__name__, None, origin="made for a test")
    monkeypatch.setitem(sys.modules, library.__name__, library)
    spec = TrackerSpec(library.__name__, lambda run: LogTracker(run, library.__name__, "tersely"))
    monkeypatch.setattr(tersely.trackers, "TRACKERS", {**TRACKERS, "fake": spec})
    return library
