"""What kinds of run folders there are, and which logs each of them holds.

A folder may come from somebody else: what it calls a log beside those of its kind is neither written nor cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Log(StrEnum):
    """A file ``<name>.jsonl`` at the top of a run folder, which only ever grows."""

    JOURNAL = "journal"
    """A line a step: what happened, without a clock."""
    CLOCK = "clock"
    """A line a step: seconds, tokens and bytes as measured."""
    SAMPLES = "samples"
    """Responses of a training step that are worth reading."""
    GROUPS = "groups"
    """A problem with all its responses a line."""
    RESPONSES = "responses"
    """An evaluated response a line."""
    REPLIES = "replies"
    """What a server answered, a line a response, until the responses are all judged."""
    SCREEN = "screen"
    """A line a checkpoint that `tersely tune` measured on the way: what alpha followed."""


class RunKind(StrEnum):
    """What is made in a run folder; stands in its config.json."""

    TRAIN = "train"
    """`tersely train`: reinforcement learning."""
    BASE = "base"
    """`tersely base`: the embedded reasoner."""
    BASELINE = "baseline"
    """`tersely baseline sft`, `iterated-sft`, `dpo` and `o1-pruner`, and `tersely distill`."""
    SAMPLES = "samples"
    """`tersely baseline samples`: responses drawn and judged once, to learn from."""
    EVALUATION = "evaluation"
    """`tersely evaluate`: one model under one protocol."""
    FAITHFULNESS = "faithfulness"
    """`tersely faithfulness`: one model with and without a hint."""


LOGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        RunKind.TRAIN: frozenset({Log.JOURNAL, Log.CLOCK, Log.SAMPLES, Log.SCREEN}),
        RunKind.BASE: frozenset({Log.JOURNAL}),
        RunKind.BASELINE: frozenset({Log.JOURNAL, Log.CLOCK}),
        RunKind.SAMPLES: frozenset({Log.GROUPS, Log.CLOCK, Log.REPLIES}),
        RunKind.EVALUATION: frozenset({Log.RESPONSES, Log.REPLIES}),
        RunKind.FAITHFULNESS: frozenset({Log.RESPONSES, Log.REPLIES}),
    }
)
"""What each kind writes."""


def logs_of(kind: str) -> frozenset[str]:
    """The logs that a folder of this kind may hold; any of ours for a kind that stands in no table of this version."""
    return LOGS.get(kind, frozenset(Log))
