"""What a run folder tells of its training steps, as a tracker is told it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tersely.errors import UserError, plainly
from tersely.journal import StepRecord
from tersely.records import JsonObject
from tersely.runs.identity import read_own_config
from tersely.runs.kinds import Log, RunKind
from tersely.runs.logs import read_log
from tersely.trackers.base import TrackedRun


def tracked_run(path: Path) -> TrackedRun:
    """The run in a folder; UserError for a folder that holds none of `tersely train`."""
    found = read_own_config(path)
    if found.kind != RunKind.TRAIN:
        raise UserError(f"{path} holds a {found.kind!r} run: only runs of `tersely train` have steps that can be told")
    return TrackedRun(path, found.config)


def steps_of(path: Path) -> Iterator[tuple[StepRecord, list[JsonObject]]]:
    """Every step of a run folder with its samples; UserError names a line that is damaged."""
    samples: dict[object, list[JsonObject]] = defaultdict(list)
    for line in _lines(path / f"{Log.SAMPLES}.jsonl"):
        samples[line.get("step")].append(line)
    journal = path / f"{Log.JOURNAL}.jsonl"
    for number, line in enumerate(_lines(journal), start=1):
        try:
            record = StepRecord.from_json(line)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{journal}, line {number}: no step of a training run ({plainly(error)})") from error
        yield record, samples[record.step]


def _lines(path: Path) -> list[JsonObject]:
    return read_log(path, allow_torn=True) if path.exists() else []
