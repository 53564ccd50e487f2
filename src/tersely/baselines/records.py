"""What a baseline leaves behind, line by line and file by file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias

from tersely.records import Json, JsonObject


@dataclass(frozen=True, slots=True)
class SamplingCost:
    """What drawing and judging the responses cost, in seconds and tokens.

    Example: ``SamplingCost(sample_s=41.2, judge_s=3.1, step_s=44.3, tokens_sampled=120_000)``
    """

    sample_s: float
    judge_s: float
    step_s: float
    """Wall time of both."""
    tokens_sampled: float

    def clock_line(self) -> JsonObject:
        """The first line of a baseline's clock.jsonl."""
        seconds = {"sample_s": self.sample_s, "judge_s": self.judge_s, "step_s": self.step_s}
        rounded = {name: round(value, 4) for name, value in seconds.items()}
        counts = {"tokens_sampled": int(self.tokens_sampled), "tokens_trained": 0, "response_tokens_trained": 0}
        return {"step": 0, **rounded, **counts}


NO_COST = SamplingCost(0.0, 0.0, 0.0, 0.0)
"""Of demonstrations that somebody else made."""


@dataclass(frozen=True, slots=True)
class TuningStep:
    """One optimizer step."""

    step: int
    of: int
    numbers: Mapping[str, float]
    """What the trainer says: "loss", "grad_norm", "learning_rate", ..., each where it has it."""
    seconds: float
    tokens_read: int
    """Prompt and response, padding apart."""
    tokens_learnt: int
    """Of those, the ones that the loss was on."""

    def journal_line(self) -> JsonObject:
        numbers = {name: value for name, value in self.numbers.items() if name not in ("step", "of", "epoch")}
        return {"step": self.step, "event": "STEP", "of": self.of, **numbers, "response_tokens": 0}

    def clock_line(self) -> JsonObject:
        seconds = round(self.seconds, 4)
        speed = round(self.tokens_read / self.seconds, 1)
        counts = {"tokens_trained": self.tokens_read, "response_tokens_trained": self.tokens_learnt}
        measured = {"step": self.step, "update_s": seconds, "step_s": seconds, "tokens_per_s": speed}
        return {**measured, "tokens_sampled": 0, **counts}


OnStep: TypeAlias = Callable[[TuningStep], None]
"""Called after every optimizer step."""


@dataclass(frozen=True, slots=True)
class BaselineSummary:
    """done.json of a baseline."""

    method: str
    optimizer_steps: int
    learnt_from: int
    """Examples: responses, or pairs of them (DPO)."""
    judged: int | None = None
    """Demonstrations looked at, right or wrong; None where nothing is distilled."""

    def to_json(self) -> JsonObject:
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, content: Json) -> BaselineSummary:
        return cls(content["method"], content["optimizer_steps"], content["learnt_from"], content.get("judged"))
