"""A plan beside what a run has measured so far: `tersely plan --run RUN`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tersely.config import TrainConfig, resolve
from tersely.errors import UserError
from tersely.plan.files import folder_files, locate_files, prompt_tokens
from tersely.plan.lengths import LengthProfile, lognormal
from tersely.plan.memory import layout_of, predict_memory
from tersely.plan.shape import ModelShape
from tersely.plan.time import ASSUMED, Machine, predict_seconds
from tersely.runs.folder import read_log
from tersely.runs.identity import read_own_config

IDENTITY = ("model_sha256", "task_sha256")
"""What a run folder's configuration says beyond the settings."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number, by machine as predicted (seconds) or once (bytes), and its median over the measured steps."""

    name: str
    unit: str
    predicted: dict[str, float]
    measured: float | None
    low: float | None = None
    high: float | None = None
    """Smallest and largest of the steps."""


@dataclass(frozen=True, slots=True)
class RunComparison:
    steps: int
    device: str
    mean_length: float
    quantities: list[Quantity]

    def to_json(self) -> dict[str, Any]:
        names = Quantity.__dataclass_fields__
        rows = [{name: getattr(q, name) for name in names} for q in self.quantities]
        return {"steps": self.steps, "device": self.device, "mean_length": self.mean_length, "quantities": rows}


def compare_with_run(run: Path, machine: Machine | None = None, gpus: int = 1) -> RunComparison:
    """Predicted against measured for a run that has begun. UserError where nothing was measured yet.

    The prediction takes the run's own mean length, so that the formulas are judged and not the guess of lengths. The
    first step is left out where there are others: it warms up.
    """
    config = read_training_config(run)
    clock, journal = (_lines(run / f"{name}.jsonl") for name in ("clock", "journal"))
    if not clock or not journal:
        raise UserError(f"{run} has no finished step, so there is nothing to compare with: wait for its first step")
    clock = clock[1:] or clock
    device = "cuda" if any("sample_peak_bytes" in line for line in clock) else "cpu"
    mean = float(np.mean([line["length"] for line in journal if line["length"] is not None]))
    place = locate_files(str(run))
    shape = ModelShape.of(folder_files(place)["config.json"])
    prompt, _ = prompt_tokens(config, place, folder_files(place))
    lengths, layout = _lengths(mean, config), layout_of(config, device, gpus)
    memory = predict_memory(shape, config, layout, lengths, prompt[1], device)
    machines = {machine.name: machine} if machine else (ASSUMED if device == "cuda" else {})
    seconds = {n: predict_seconds(shape, config, layout, lengths, prompt[0], m) for n, m in machines.items()}
    reference = [line.get("reference_s", 0.0) for line in clock]
    return RunComparison(
        len(clock),
        device,
        mean,
        [
            _quantity("sampling", "s", {n: s.sampling for n, s in seconds.items()}, [c["sample_s"] for c in clock]),
            _quantity(
                "updating",
                "s",
                {n: s.updating for n, s in seconds.items()},
                [c["update_s"] + r for c, r in zip(clock, reference, strict=True)],
            ),
            _quantity("judging", "s", {n: s.judge for n, s in seconds.items()}, [c["judge_s"] for c in clock]),
            _quantity("iteration", "s", {n: s.total for n, s in seconds.items()}, [c["step_s"] for c in clock]),
            _quantity("peak sampling", "GB", {"plan": memory.sampling / 1e9}, _peaks(clock, "sample_peak_bytes")),
            _quantity("peak updating", "GB", {"plan": memory.updating / 1e9}, _peaks(clock, "update_peak_bytes")),
        ],
    )


def read_training_config(run: Path) -> TrainConfig:
    """The settings of a training run, from its folder."""
    content = read_own_config(run)
    if content["kind"] != "train":
        raise UserError(f"{run} holds a {content['kind']!r} run: name the folder of a training run")
    return resolve({key: value for key, value in content["config"].items() if key not in IDENTITY})


def _lines(log: Path) -> list[dict[str, Any]]:
    """What is there so far: the run may be writing its next line just now."""
    return read_log(log, allow_torn=True) if log.is_file() else []


def _lengths(mean: float, config: TrainConfig) -> LengthProfile:
    cap = config.sampling.max_new_tokens
    if 1.0 <= mean < cap:
        return lognormal(mean, cap, source="the run's own mean")
    return LengthProfile(np.full(2, max(mean, 1.0)), "the run's own mean", True)


def _peaks(clock: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [line[key] / 1e9 for line in clock if key in line]


def _quantity(name: str, unit: str, predicted: dict[str, float], measured: Sequence[float]) -> Quantity:
    if not measured:
        return Quantity(name, unit, predicted, None)
    return Quantity(name, unit, predicted, float(np.median(measured)), min(measured), max(measured))
