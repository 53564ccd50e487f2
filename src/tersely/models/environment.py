"""What bit-exactness depends on besides a configuration: versions, threads, processor."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import transformers

import tersely
from tersely.records import JsonObject


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A sentence for everything in which two environments differ, so that a resume cannot be exact."""
    return [
        f"this resume cannot be bit-exact: {key} was {before.get(key)} when the checkpoint was made and is {value} now"
        for key, value in now.items()
        if before.get(key) != value
    ]


def environment() -> JsonObject:
    """What bit-exactness depends on besides the configuration; kept in every checkpoint."""
    return {
        "tersely": tersely.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
