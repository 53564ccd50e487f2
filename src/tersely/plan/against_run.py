"""A plan beside what a run has measured so far: `tersely plan --run RUN`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tersely.config import TrainConfig, resolve
from tersely.errors import UserError
from tersely.models.prompt_identity import ASKED
from tersely.plan.files import folder_files, locate_files, prompt_tokens
from tersely.plan.lengths import LengthProfile, lognormal
from tersely.plan.memory import Memory, layout_of, predict_memory
from tersely.plan.shape import ModelShape
from tersely.plan.time import ASSUMED, Machine, Seconds, predict_seconds
from tersely.records import Json, JsonObject
from tersely.runs.identity import read_own_config
from tersely.runs.json_file import MALFORMED
from tersely.runs.kinds import Log, RunKind
from tersely.runs.logs import read_log

IDENTITY_ONLY = ("model_sha256", "task_sha256", "tune", *ASKED)
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
class MeasuredStep:
    """What a run's clock.jsonl says of one step, in seconds and bytes; the peaks are None on a CPU."""

    sampling: float
    judging: float
    updating: float
    """With the reference's log-probabilities."""
    iteration: float
    sampling_peak: float | None
    updating_peak: float | None

    @classmethod
    def from_json(cls, line: Json) -> MeasuredStep:
        """KeyError, TypeError or ValueError for a line that is none of a training run."""
        peaks = (line.get(f"{phase}_peak_bytes") for phase in ("sample", "update"))
        return cls(
            float(line["sample_s"]),
            float(line["judge_s"]),
            float(line["update_s"]) + float(line.get("reference_s", 0.0)),
            float(line["step_s"]),
            *(None if peak is None else float(peak) for peak in peaks),
        )


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Predicted against measured, for one run."""

    steps: int
    """That were measured."""
    device: str
    mean_length: float
    quantities: list[Quantity]

    def to_json(self) -> JsonObject:
        return asdict(self)


def compare_with_run(run: Path, machine: Machine | None = None, gpus: int = 1) -> RunComparison:
    """Predicted against measured for a run that has begun. UserError where nothing was measured yet.

    The prediction takes the run's own mean length, so that the formulas are judged and not the guess of lengths. The
    first step is left out where there are others: it warms up.
    """
    config = read_training_config(run)
    steps, lengths = _measured(run)
    device = "cuda" if any(step.sampling_peak is not None for step in steps) else "cpu"
    mean = float(np.mean(lengths))
    place = locate_files(str(run))
    files = folder_files(place)
    shape = ModelShape.of(files["config.json"])
    prompt, _ = prompt_tokens(config, place, files)
    profile, layout = _profile(mean, config), layout_of(config, device, gpus)
    memory = predict_memory(shape, config, layout, profile, prompt[1], device)
    machines = {machine.name: machine} if machine else (ASSUMED if device == "cuda" else {})
    seconds = {n: predict_seconds(shape, config, layout, profile, prompt[0], m) for n, m in machines.items()}
    return RunComparison(len(steps), device, mean, [*_in_seconds(seconds, steps), *_in_bytes(memory, steps)])


def _in_seconds(predicted: Mapping[str, Seconds], steps: Sequence[MeasuredStep]) -> list[Quantity]:
    rows = [
        ("sampling", {n: s.sampling for n, s in predicted.items()}, [step.sampling for step in steps]),
        ("updating", {n: s.updating for n, s in predicted.items()}, [step.updating for step in steps]),
        ("judging", {n: s.judge for n, s in predicted.items()}, [step.judging for step in steps]),
        ("iteration", {n: s.total for n, s in predicted.items()}, [step.iteration for step in steps]),
    ]
    return [_quantity(name, "s", said, measured) for name, said, measured in rows]


def _in_bytes(predicted: Memory, steps: Sequence[MeasuredStep]) -> list[Quantity]:
    rows = [
        ("peak sampling", predicted.sampling, [step.sampling_peak for step in steps]),
        ("peak updating", predicted.updating, [step.updating_peak for step in steps]),
    ]
    return [
        _quantity(name, "GB", {"plan": said / 1e9}, [peak / 1e9 for peak in peaks if peak is not None])
        for name, said, peaks in rows
    ]


def read_training_config(run: Path) -> TrainConfig:
    """The settings of a training run, from its folder."""
    found = read_own_config(run)
    if found.kind != RunKind.TRAIN:
        raise UserError(f"{run} holds a {found.kind!r} run: name the folder of a training run")
    return resolve({key: value for key, value in found.config.items() if key not in IDENTITY_ONLY})


def _measured(run: Path) -> tuple[list[MeasuredStep], list[float]]:
    """The steps measured so far, and the mean length of each; UserError where there are none yet."""
    clock, journal = (_lines(run / f"{log}.jsonl") for log in (Log.CLOCK, Log.JOURNAL))
    try:
        steps = [MeasuredStep.from_json(line) for line in clock]
        lengths = [float(line["length"]) for line in journal if line["length"] is not None]
    except MALFORMED as error:
        raise UserError(f"the logs in {run} are not those of a training run ({error!r}): name another run") from error
    if not steps or not journal:
        raise UserError(f"{run} has no finished step, so there is nothing to compare with: wait for its first step")
    return steps[1:] or steps, lengths


def _lines(log: Path) -> list[Json]:
    """What is there so far: the run may be writing its next line just now."""
    return read_log(log, allow_torn=True) if log.is_file() else []


def _profile(mean: float, config: TrainConfig) -> LengthProfile:
    cap = config.sampling.max_new_tokens
    if 1.0 <= mean < cap:
        return lognormal(mean, cap, source="the run's own mean")
    return LengthProfile(np.full(2, max(mean, 1.0)), "the run's own mean", True)


def _quantity(name: str, unit: str, predicted: dict[str, float], measured: Sequence[float]) -> Quantity:
    if not measured:
        return Quantity(name, unit, predicted, None)
    return Quantity(name, unit, predicted, float(np.median(measured)), min(measured), max(measured))
