"""What a training run tells of itself, step by step: the lines of journal.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from tersely.records import JsonObject


class StepEvent(StrEnum):
    """What a training step came to."""

    STEP = "STEP"
    NO_SIGNAL = "NO_SIGNAL"
    """All rewards of every group were equal: no weights changed."""


@dataclass(frozen=True, slots=True)
class LevelRecord:
    """The groups of a step that were asked with one level of effort."""

    problems: tuple[str, ...]
    """Their ids."""
    accuracy: float | None
    """Share correct of the judged responses."""
    length: float
    """Mean tokens a response."""

    def to_json(self) -> JsonObject:
        return {"problems": list(self.problems), "accuracy": self.accuracy, "length": self.length}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LevelRecord:
        """KeyError, TypeError or ValueError for what ``to_json`` did not write."""
        accuracy = content["accuracy"]
        known = None if accuracy is None else float(accuracy)
        return cls(tuple(map(str, content["problems"])), known, float(content["length"]))


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One training step: a line of journal.jsonl, and what callbacks are given.

    A pure function of what happened (no clock), so that a replay writes the same bytes. Means are None over nothing.
    """

    step: int
    """From 1."""
    event: StepEvent
    problems: int
    responses: int
    accuracy: float | None
    """Share correct of the judged responses."""
    reward: float | None
    """Mean over the judged responses."""
    length: float | None
    """Mean tokens a response."""
    length_correct: float | None
    length_wrong: float | None
    truncated: float
    """Share of responses that did not end by themselves."""
    no_answer: float
    unjudged: float
    groups_all_correct: float
    groups_all_wrong: float
    groups_dropped: float
    kl: float | None
    """Mean k3 estimate of KL(policy || reference), nats a token."""
    entropy: float | None
    """Nats a token."""
    clip_fraction: float | None
    grad_norm: float | None
    loss: float | None
    """Mean over the step's optimizer steps."""
    logprob_gap_mean: float | None
    """Mean absolute difference of the sampler's and the trainer's log-probabilities, nats a token."""
    logprob_gap_max: float | None
    logprob_gap_kl: float | None
    learning_rate: float
    response_tokens: int
    importance_mean: float | None = None
    """Of the truncated importance correction; None where that is off."""
    importance_capped: float | None = None
    restated: float | None = None
    """Share of responses that equal the gold answer but only restate the question, which policy counts wrong; None in
    journals of earlier releases, as the next."""
    cut: float | None = None
    """Share of responses of which only the tail was read."""
    alpha: float | None = None
    """Length pressure at this step, where a schedule moves it."""
    endless: float | None = None
    """Share of responses that ran in circles until the cap; None in journals of earlier releases."""
    cap: int | None = None
    """Most tokens of a response at this step, where a schedule moves it."""
    levels: Mapping[str, LevelRecord] | None = None
    """By level of effort, where groups draw one."""

    def to_json(self) -> JsonObject:
        """The journal's line: what is off leaves no key."""
        line = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _AT_TIMES}
        extra = {name: value for name in _AT_TIMES if (value := getattr(self, name)) is not None}
        if self.levels is not None:
            extra["levels"] = {level: one.to_json() for level, one in self.levels.items()}
        ends = {name: line.pop(name) for name in ("learning_rate", "response_tokens")}
        return {**line, **extra, **ends}

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> StepRecord:
        """The record that ``to_json`` gave. KeyError, TypeError or ValueError for a line that is none."""
        known = {f.name: line[f.name] for f in fields(cls) if f.name not in _AT_TIMES}
        extra = {name: line[name] for name in _AT_TIMES if name in line}
        if extra.get("levels") is not None:
            extra["levels"] = {level: LevelRecord.from_json(one) for level, one in dict(extra["levels"]).items()}
        return cls(**{**known, **extra, "event": StepEvent(line["event"])})


_AT_TIMES = ("importance_mean", "importance_capped", "restated", "cut", "alpha", "endless", "cap", "levels")
"""Fields that a line may lack: what they measure is off, or unknown to the release that wrote it."""
