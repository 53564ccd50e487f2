"""A training run of four steps on a small random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graders import ParityJudge
from tersely.config import TrainConfig, merge, resolve
from tersely.display import PlainDisplay
from tersely.learn.loop import train
from tersely.learn.run_setup import TrainSummary

QUIET = PlainDisplay("test")


def settings(root: Path, **over: Any) -> TrainConfig:
    base = {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "seed": 3,
        "objective": {"alpha": 0.2},
        "sampling": {"prompts": 4, "n": 4, "max_new_tokens": 40},
        "learner": {"learning_rate": 1e-2, "old_logprobs": "sampler"},
        "run": {"steps": 4, "checkpoint_every": 2, "threads": 1, "judge_workers": 1},
    }
    return resolve(merge(base, over))


def train_for_odd_texts(config: TrainConfig, out: Path, **parts: Any) -> TrainSummary:
    """Train where a response is right if its text is odd, so that a random model has signal."""
    return train(config, out, QUIET, judge=ParityJudge(), **parts)
