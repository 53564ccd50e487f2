"""A measurement of the weights that a run had before it was trained on: it keeps its numbers, under its step's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import AGAIN, RESPONSES, SUMMARY
from tersely.models.digest import weights_digest
from tersely.records import Json, JsonObject
from tersely.runs import disk
from tersely.runs.ended import ended_logs
from tersely.runs.folder import RunFolder, read_done
from tersely.runs.identity import Grows, read_run_config, same_work
from tersely.runs.json_file import read_json
from tersely.runs.kinds import RunKind
from tersely.runs.logs import whole_bytes
from tersely.runs.manifest import STEP_NAME, model_folders

WEIGHTS_STEP = "weights_step"
"""In a summary: the step of the run whose weights were measured."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A finished measurement that stands where that of the run's present weights goes."""

    kind: RunKind
    folder: Path
    config: Json
    """What it was made with."""
    step: int
    """Whose weights it measured."""
    place: Path
    """Where it belongs."""

    def set_aside(self) -> None:
        """Give it the name of its step. A crash at any moment leaves it where it is found again, or at its place."""
        with RunFolder.open(self.folder, self.kind, self.config) as run:
            summary = read_json(run.path / SUMMARY, "the summary of an evaluation", AGAIN)
            protocol = {**summary["protocol"], "step": self.step}
            disk.write_json_atomic(run.path / SUMMARY, {**summary, "protocol": protocol})
            run.rename(self.place, {**self.config, "step": self.step})

    def words(self) -> str:
        """What is said before it is moved."""
        return (
            f"{self.folder} measured step {self.step} of a run that was trained on since: it is kept as {self.place}, "
            "and the run is measured anew"
        )


def weights_step(weights: Path) -> JsonObject:
    """What a summary records of the checkpoint that was measured; nothing of weights that are no step of a run."""
    named = STEP_NAME.fullmatch(weights.name)
    return {} if named is None else {WEIGHTS_STEP: int(named[1])}


def find_earlier(
    model: Path,
    weights: Path,
    kind: RunKind,
    protocol: EvalProtocol,
    place_of: Callable[[EvalProtocol], Path],
    wanted: JsonObject,
    grows: Grows,
) -> Earlier | None:
    """The finished measurement of an earlier step of this run under the same protocol (or one that ``grows`` into it),
    where there is one in the folder of the ``wanted`` one. UserError where it is half-finished or of no known step, so
    that nothing goes on with it, and where its own place is taken."""
    folder, now = place_of(protocol), STEP_NAME.fullmatch(weights.name)
    found = read_run_config(folder)
    if protocol.step is not None or now is None or found is None or found.kind != kind:
        return None
    # Its step stands there already where a crash came between.
    alike = {key: value for key, value in found.config.items() if key != "step"}
    alike["weights_sha256"] = wanted["weights_sha256"]
    is_other = found.config.get("weights_sha256") != wanted["weights_sha256"]
    log = folder / f"{RESPONSES}.jsonl"
    begun = (log.is_file() and whole_bytes(log) > 0) or bool(ended_logs(folder))
    if not (is_other and begun and (same_work(alike, wanted) or grows(alike))):
        return None
    finished = read_done(folder) is not None
    step = (
        next((step for step in _steps(model, folder, found.config) if step < int(now[1])), None) if finished else None
    )
    if step is None:
        raise UserError(
            f"{folder} {'measured' if finished else 'is half-finished and of'} other weights than {model} has now: "
            "remove it, or move it elsewhere, and run the same command again"
        )
    place = place_of(replace(protocol, step=step))
    if place.exists():
        raise UserError(f"{folder} measured step {step}, and so did {place}: remove one of the two and try again")
    return Earlier(kind, folder, found.config, step, place)


def _steps(model: Path, folder: Path, config: Any) -> Iterator[int]:
    """The step that was measured, as it was recorded; else that of a kept checkpoint with these weights."""
    recorded = read_json(folder / SUMMARY, "the summary of an evaluation", AGAIN).get(WEIGHTS_STEP)
    if type(recorded) is int:
        yield recorded
        return
    for step, checkpoint in model_folders(model):
        if weights_digest(checkpoint) == config["weights_sha256"]:
            yield step
