"""The run folder and several processes: rank 0 opens it, every one learns what is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import UserError
from tersely.learn.parallel import World
from tersely.models.device import pick_device
from tersely.models.digest import weights_digest
from tersely.models.environment import differences, environment
from tersely.records import Problem
from tersely.runs import disk
from tersely.runs.folder import Checkpoint, RunFolder
from tersely.runs.kinds import RunKind
from tersely.samplers.engines import engine_for
from tersely.tasks import task_digest
from tersely.tasks.overlap import TRAINED_ON

OPERATIONAL = ("threads", "keep", "judge_workers", "probe")
"""Settings of the run section that don't identify the work: a resume may change them."""

RESOURCE_KEYS = {
    "sampling": ("max_rows", "engine_memory", "engine_sleep"),
    "learner": ("token_budget", "gradient_checkpointing", "sharding"),
}
"""Settings that say how much is done at once, not what: a run that ran out of memory goes on with others. The sums are
the same but for rounding."""

UNJUDGED = "unjudged.json"
"""Verdicts that the judge could not reach, by key."""


def require_even_shares(config: TrainConfig, world: World) -> None:
    """Whole groups stay in one process, in every gradient step."""
    prompts, updates = config.sampling.prompts, config.learner.updates
    if prompts % (world.size * updates):
        raise UserError(
            f"sampling.prompts = {prompts} cannot be shared evenly by {world.size} processes x learner.updates = "
            f"{updates}: make prompts a multiple of {world.size * updates}, or start another number of processes"
        )


def open_run(
    out: Path, config: TrainConfig, folder: Path, problems: Sequence[Problem], world: World
) -> AbstractContextManager[RunFolder | None]:
    """The run folder, locked, on rank 0; nothing on the others."""
    with world.collective_errors():
        if world.is_main:
            return RunFolder.open(out, RunKind.TRAIN, _identity(config, folder, problems), keep=config.run.keep)
    return nullcontext()


def read_resume_state(run: RunFolder, problems: Sequence[Problem]) -> dict[str, Any]:
    """What the folder knows: the summary of finished work, and the answers that could not be judged before. Those stay
    unjudged on a replay, however fast the machine is today."""
    if run.done is None and not (run.path / TRAINED_ON).exists():
        ids = sorted(problem.id for problem in problems)
        disk.write_json_atomic(run.path / TRAINED_ON, {"problem_ids": ids})
    path = run.path / UNJUDGED
    unjudged = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"done": run.done, "unjudged": unjudged}


def _identity(config: TrainConfig, base: Path, problems: Sequence[Problem]) -> dict[str, Any]:
    """What a resumed run must share with the one begun: configuration, weights and problems."""
    settings = config.model_dump(mode="json")
    for key in OPERATIONAL:
        settings["run"].pop(key)
    for section, keys in RESOURCE_KEYS.items():
        for key in keys:
            settings[section].pop(key)
    return {**settings, "model_sha256": weights_digest(base), "task_sha256": task_digest(problems)}


def resume_point(run: RunFolder | None, config: TrainConfig, world: World, display: Display) -> Checkpoint | None:
    """The newest whole checkpoint; rank 0 looks for it, cuts the logs back, and tells where it lies."""
    found = world.broadcast(lambda: _rewound(run, display) if run else None)
    if found is None:
        return None
    checkpoint = Checkpoint(Path(found["path"]), found["step"], found["state"], {})
    display.note(f"going on from step {checkpoint.step}")
    now = run_environment(config, world)
    before = {"processes": 1, "engine": now["engine"], **checkpoint.state["environment"]}
    for sentence in differences(before, now):
        display.note(sentence)
    return checkpoint


def _rewound(run: RunFolder, display: Display) -> dict[str, Any] | None:
    checkpoint = run.latest()
    run.rewind(checkpoint)
    for warning in run.warnings:
        display.note(warning)
    if checkpoint is None:
        return None
    return {"path": str(checkpoint.path), "step": checkpoint.step, "state": checkpoint.state}


def run_environment(config: TrainConfig, world: World) -> dict[str, Any]:
    """What bit-exactness depends on besides what identifies the work."""
    room = {
        key: getattr(getattr(config, section), key)
        for section, keys in RESOURCE_KEYS.items()
        for key in keys
        if key in ("max_rows", "token_budget")
    }
    # The configuration may leave it to what is installed, and that may have changed.
    engine = engine_for(config.sampling.engine, pick_device(config.run.device).type)
    return {**environment(), "processes": world.size, "engine": engine, **room}
