"""Read finished run folders: what was configured, what the journal saw, what the evaluations found.

RUN/config.json                      {"kind": "train" | "base", "tersely": version, "config": {...}}
RUN/journal.jsonl, RUN/clock.jsonl   one line a step (absent for a base)
RUN/evaluation/TASK/responses.jsonl  one EvalRecord a line
RUN/evaluation/TASK/summary.json     {"protocol", "versions", "command", "summary"}, written last
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.evaluation.protocol import VARIANT
from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.journal import StepRecord
from tersely.runs.json_file import read_json
from tersely.runs.logs import read_log

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder, read. ``alpha`` is None for a base."""

    path: Path
    kind: str
    version: str
    config: Json
    alpha: float | None
    seed: int | None
    journal: tuple[Json, ...]
    clock: tuple[Json, ...]
    evaluations: dict[str, Evaluation]

    @property
    def name(self) -> str:
        return self.path.name or str(self.path)


def read_run(path: Path, variants: bool = False) -> Run:
    """Read a run folder, or the folder that holds the evaluations of somebody else's model (kind "model").

    ``variants`` reads evaluations of checkpoints and under instructions too (``TASK@...``). Whatever is missing or
    damaged is a UserError that names the file.
    """
    settings = _settings(path)
    folders = evaluation_folders(path, settings is None, variants)
    if settings is None and not folders:
        raise UserError(
            f"{path} is no run folder of tersely and holds no evaluation of one: give a folder that tersely train or "
            "tersely evaluate --out made"
        )
    settings = settings or {"kind": "model"}
    config = settings.get("config")
    config = config if isinstance(config, dict) else {}
    finished = {folder.name: _held(folder) for folder in folders if (folder / "summary.json").is_file()}
    seed = config.get("seed")
    return Run(
        path=path,
        kind=str(settings["kind"]),
        version=str(settings.get("tersely", "unknown")),
        config=config,
        alpha=_alpha(path, config) if settings["kind"] == "train" else None,
        seed=seed if isinstance(seed, int) else None,
        journal=_log(path / "journal.jsonl"),
        clock=_log(path / "clock.jsonl"),
        evaluations=finished,
    )


def _held(folder: Path) -> Evaluation:
    """A finished evaluation with its responses in memory; the summary must count as many as there are."""
    found = read_evaluation(folder)
    records, counted = found.responses(), found.summary.overall.responses
    if counted != len(records):
        raise UserError(
            f"{folder} holds {len(records)} responses but its summary counts {counted}: run tersely evaluate again"
        )
    return replace(found, held=records)


def base_of(run: Run) -> Path | None:
    """The run folder that a run was trained from, if its model lies in one."""
    model = run.config.get("model")
    if not isinstance(model, str) or not model:
        return None
    for place in (Path(model), run.path.parent / model):
        for folder in (place, *place.parents[:3]):
            settings = _settings(folder)
            if settings is not None and settings["kind"] in ("base", "train"):
                return folder
    return None


def require_tasks(runs: list[Run]) -> list[str]:
    """The tasks that every run finished; a UserError says which run lacks what and how much of it."""
    for run in runs:
        if not run.evaluations:
            raise UserError(f"{run.path} has no finished evaluation{_missing(run, runs)}: run tersely evaluate "
                            f"{shlex.quote(str(run.path))} first")  # fmt: skip
    common = set.intersection(*(set(run.evaluations) for run in runs))
    if not common:
        listed = "; ".join(f"{run.name}: {', '.join(sorted(run.evaluations))}" for run in runs)
        raise UserError(f"no task was evaluated by every run ({listed}): evaluate all of them on the same task")
    return sorted(common)


def _missing(run: Run, runs: list[Run]) -> str:
    """How many responses are still to come, as far as the other runs tell."""
    for folder in evaluation_folders(run.path, foreign=False):
        responses = folder / "responses.jsonl"
        there = len(read_log(responses, allow_torn=True)) if responses.is_file() else 0
        finished = [other.evaluations[folder.name] for other in runs if folder.name in other.evaluations]
        wanted = [evaluation.summary.overall.responses for evaluation in finished]
        if wanted:
            return f" ({max(wanted) - there} of {max(wanted)} responses of {folder.name} are missing)"
        return f" ({there} responses of {folder.name} are there)"
    return ""


def evaluation_folders(path: Path, foreign: bool, variants: bool = False) -> list[Path]:
    """RUN/evaluation/TASK; for somebody else's model TASK lies directly beneath, and must be finished to be known.

    Variants (TASK@step-000010, TASK@limit-512) are other measurements than the model as it is: left out unless asked.
    """
    if foreign:
        found = sorted(summary.parent for summary in path.glob("*/summary.json"))
    else:
        found = sorted(folder for folder in (path / "evaluation").glob("*") if folder.is_dir())
    return [folder for folder in found if variants or VARIANT not in folder.name]


def _settings(path: Path) -> Json | None:
    """config.json of a run folder, or None where there is none (a model folder's has no kind)."""
    if not (path / "config.json").is_file():
        return None
    document = read_json(path / "config.json", "the configuration of a run")
    return dict(document) if isinstance(document.get("kind"), str) else None


def _alpha(path: Path, config: Json) -> float:
    try:
        return float(config["objective"]["alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path / 'config.json'} names no objective.alpha: it is not a training run") from error


def _log(path: Path) -> tuple[Json, ...]:
    lines = read_log(path, allow_torn=True) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if odd := next((name for name in _NUMBERS if not _is_number(line, name)), None):
            raise UserError(f"{path}, line {number}: {odd} is {line[odd]!r:.40}, no number: restore it from a copy")
    return tuple(dict(line) for line in lines)


def _is_number(line: Mapping[str, Any], name: str) -> bool:
    """Whether a field of a log is what pages draw, or not there."""
    value = line.get(name)
    if name == "step":
        return name not in line or type(value) is int
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


_NUMBERS = tuple(field.name for field in fields(StepRecord) if field.name != "event")
"""Of a journal's line."""
