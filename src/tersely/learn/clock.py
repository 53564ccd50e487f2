"""Measured seconds, kept apart from the journal, which must not depend on the machine's mood."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch

from tersely.records import JsonObject


class Clock:
    """Seconds by phase of one step, and on a GPU the most memory that torch held in each."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device if device is not None and device.type == "cuda" else None
        self.peaks: dict[str, int] = {}
        if self.device:
            torch.cuda.reset_peak_memory_stats(self.device)
        self.start = self.last = time.perf_counter()
        self.cpu_start = self.cpu_last = time.process_time()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str, minus: Mapping[str, float] | None = None) -> None:
        """Seconds since the last lap under ``name``; ``minus`` names parts of it that count by themselves."""
        now = time.perf_counter()
        parts = dict(minus or {})
        self.seconds[name] = now - self.last - sum(parts.values())
        self.seconds.update(parts)
        self.last, self.cpu_last = now, time.process_time()
        if self.device:
            self.peaks[f"{name.removesuffix('_s')}_peak_bytes"] = torch.cuda.max_memory_allocated(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)

    def total(self) -> float:
        return self.last - self.start

    def record(self, step: int, tokens: int) -> JsonObject:
        seconds = {name: round(value, 4) for name, value in self.seconds.items()}
        return {
            "step": step,
            **seconds,
            **self.peaks,
            "step_s": round(self.total(), 4),
            # Of this process alone: where other work shares the cores, what the step would take on a quiet one.
            "cpu_s": round(self.cpu_last - self.cpu_start, 4),
            "tokens_per_s": round(tokens / self.total(), 1),
        }
