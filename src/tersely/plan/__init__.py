"""What a training run will need and what stands against it, before its first step."""

from __future__ import annotations

from tersely.plan.checks import check_plan, check_tokenizer
from tersely.plan.lengths import LengthProfile, default_profile, lognormal, read_lengths
from tersely.plan.memory import Layout, Memory, layout_of, predict_memory
from tersely.plan.shape import ModelShape
from tersely.plan.time import ASSUMED, FLOOR, Machine, Seconds, predict_seconds, read_machine

__all__ = [
    "ASSUMED",
    "FLOOR",
    "Layout",
    "LengthProfile",
    "Machine",
    "Memory",
    "ModelShape",
    "Seconds",
    "check_plan",
    "check_tokenizer",
    "default_profile",
    "layout_of",
    "lognormal",
    "predict_memory",
    "predict_seconds",
    "read_lengths",
    "read_machine",
]
