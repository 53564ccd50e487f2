"""What every tracker gets and does, and the numbers of a step under the names that trackers show them by."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from tersely.journal import StepEvent, StepRecord
from tersely.records import Json, JsonObject

PROJECT = "tersely"
"""Where runs are shown together, unless the library's own environment variable names another project."""

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "outcome/accuracy",
        "reward": "outcome/reward",
        "truncated": "outcome/truncated",
        "no_answer": "outcome/no_answer",
        "unjudged": "outcome/unjudged",
        "restated": "outcome/restated",
        "cut": "outcome/cut",
        "endless": "outcome/endless",
        "length": "length/mean",
        "length_correct": "length/correct",
        "length_wrong": "length/wrong",
        "response_tokens": "length/sum",
        "groups_all_correct": "groups/all_correct",
        "groups_all_wrong": "groups/all_wrong",
        "groups_dropped": "groups/dropped",
        "loss": "policy/loss",
        "kl": "policy/kl",
        "entropy": "policy/entropy",
        "clip_fraction": "policy/clip_fraction",
        "grad_norm": "policy/grad_norm",
        "learning_rate": "policy/learning_rate",
        "alpha": "policy/alpha",
        "cap": "policy/cap",
        "logprob_gap_mean": "sampler/logprob_gap_mean",
        "logprob_gap_max": "sampler/logprob_gap_max",
        "logprob_gap_kl": "sampler/logprob_gap_kl",
        "importance_mean": "sampler/importance_mean",
        "importance_capped": "sampler/importance_capped",
        "problems": "step/problems",
        "responses": "step/responses",
    }
)
"""Field of a ``StepRecord`` -> GROUP/NAME; docs/metrics.md says what each is."""

COLUMNS = ("step", "which", "problem_id", "question", "answer", "tokens", "status", "text")
"""Of the table of samples: what of a line of samples.jsonl is shown."""


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """Example: ``TrackedRun(Path("runs/a01"), {"seed": 0, "objective": {"alpha": 0.1}})``."""

    path: Path
    config: Json
    """As config.json of the run folder has it."""

    @property
    def name(self) -> str:
        return self.path.resolve().name


class Tracker(Protocol):
    """An open run in a tracker. Whatever these raise is the caller's to catch."""

    def step(self, step: int, numbers: Mapping[str, float], samples: Sequence[JsonObject]) -> None:
        """One training step: ``numbers`` by GROUP/NAME; ``samples`` as lines of samples.jsonl, often none."""

    def finish(self) -> None:
        """Nothing more will come."""


@dataclass(frozen=True, slots=True)
class TrackerSpec:
    """How a tracker is had; importing the file that declares it loads no library."""

    library: str
    """The module that must be there; it comes with our extra of the tracker's name."""
    open: Callable[[TrackedRun], Tracker]


def numbers_of(record: StepRecord) -> dict[str, float]:
    """The step's numbers; what was not measured is left out."""
    found = {name: getattr(record, field) for field, name in NAMES.items()}
    no_signal = float(record.event is StepEvent.NO_SIGNAL)
    for level, one in (record.levels or {}).items():
        found |= {f"level/{level}_accuracy": one.accuracy, f"level/{level}_length": one.length}
    return {**{name: float(value) for name, value in found.items() if value is not None}, "step/no_signal": no_signal}


def table_rows(samples: Sequence[JsonObject]) -> list[list[Any]]:
    """Rows of the table of samples, in the order of ``COLUMNS``."""
    return [[sample.get(column) for column in COLUMNS] for sample in samples]


class LogTracker:
    """A library whose module has ``init``, ``log``, ``finish`` and ``Table``: wandb, and what is made like it."""

    def __init__(self, run: TrackedRun, library: str, project: str, **options: Any) -> None:
        self._library = importlib.import_module(library)
        self._library.init(project=project, name=run.name, config=run.config, **options)

    def step(self, step: int, numbers: Mapping[str, float], samples: Sequence[JsonObject]) -> None:
        said: dict[str, Any] = dict(numbers)
        if samples:
            said["samples"] = self._library.Table(columns=list(COLUMNS), data=table_rows(samples))
        self._library.log(said, step=step)

    def finish(self) -> None:
        self._library.finish()
