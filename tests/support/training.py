"""A training run of four steps on a small random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tersely.config import TrainConfig, merge, resolve
from tersely.display import PlainDisplay

QUIET = PlainDisplay("test")


def settings(root: Path, **over: Any) -> TrainConfig:
    base = {
        "model": str(root / "model"),
        "task": str(root / "task.jsonl"),
        "template": "question",
        "seed": 3,
        "objective": {"alpha": 0.2},
        "sampling": {"prompts": 4, "n": 4, "max_new_tokens": 12},
        "learner": {"learning_rate": 1e-2, "old_logprobs": "sampler"},
        "run": {"steps": 4, "checkpoint_every": 2, "threads": 1, "judge_workers": 1},
    }
    return resolve(merge(base, over))
