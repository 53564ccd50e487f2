"""Looks at every step as it is done: says what is wrong with it, and ends a run that is past help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tersely.config import TrainConfig
from tersely.errors import HealthError, StorageError, plainly
from tersely.journal import StepRecord
from tersely.learn.all_wrong import AllWrong, any_right
from tersely.learn.health.asked import Asked
from tersely.learn.health.stopped import STOPPED, HealthStop
from tersely.records import Json
from tersely.runs import disk
from tersely.runs.json_file import MALFORMED, RESTORE
from tersely.runs.kinds import Log
from tersely.runs.logs import read_log
from tersely.runs.manifest import step_folders

AGAIN = 10
"""A warning that stays true is said again after so many steps."""


class Watch:
    """All that looks on in one run. A function of its steps alone, so that every process sees the same."""

    def __init__(
        self, config: TrainConfig, rules: Sequence[Asked], run: Path | None = None, earlier: Sequence[StepRecord] = ()
    ) -> None:
        """``run``: its folder, in the process that has it. ``earlier``: the steps that were done before."""
        self._rules, self._run = rules, run
        self._steps: list[StepRecord] = []
        self._rows = {a.name: 0 for a in rules}
        """Steps in a row beyond the threshold, the latest last."""
        self._all_wrong = AllWrong(config, [any_right(step) for step in earlier])
        for step in earlier:
            self._look(step)

    @property
    def holds_back(self) -> bool:
        """Whether a checkpoint should wait, so that the last one is from before these steps."""
        return self._all_wrong.holds_back or any(self._rows[a.name] for a in self._rules if a.stops)

    def see(self, record: StepRecord) -> list[str]:
        """What there is to say of a step.

        RunError after too many steps without one right answer (``all_wrong``), HealthError where a rule ends the run:
        why is kept in its folder then.
        """
        seen, wrong = self._look(record), self._all_wrong.see(record)
        for a, what in seen:
            if a.stops and self._rows[a.name] >= a.rule.in_row:
                raise self._ended(a, record.step, what)
        said = [self._words(a, record, what) for a, what in seen if self._rows[a.name] % AGAIN == 1]
        return [*said, wrong] if wrong else said

    def _look(self, record: StepRecord) -> list[tuple[Asked, str]]:
        """Which rules see what in this step, their rows counted on."""
        self._steps.append(record)
        found = []
        for a in self._rules:
            what = a.rule.sees(self._steps, a.threshold)
            self._rows[a.name] = 0 if what is None else self._rows[a.name] + 1
            if what is not None:
                found.append((a, what))
        return found

    def _words(self, a: Asked, record: StepRecord, what: str) -> str:
        ends = f"; after {a.rule.in_row} such steps in a row the run ends" if a.stops else ""
        return f"step {record.step}: {what} (health.{a.name}, threshold {a.threshold:g}){ends}: {a.rule.cure}"

    def _ended(self, a: Asked, step: int, what: str) -> HealthError:
        row = self._rows[a.name]
        good = _last_checkpoint(self._run, before=step - row + 1)
        stop = HealthStop(a.name, step, a.threshold, what, a.rule.cure, row, good)
        if self._run is not None:
            disk.write_json_atomic(self._run / STOPPED, stop.to_json())
        return HealthError(stop.words)


def _last_checkpoint(run: Path | None, before: int) -> int | None:
    steps = [step for step, _ in step_folders(run)] if run is not None else []
    return next((step for step in steps if step < before), None)


OTHERWISE = frozenset({"event", "levels"})
"""Keys of a step under which no number stands; ``StepRecord.from_json`` has read them."""


def read_steps(run: Path) -> list[Json]:
    """The lines of a run's journal, each known to be a step; StorageError for one that is none."""
    path = run / f"{Log.JOURNAL}.jsonl"
    lines = read_log(path) if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            StepRecord.from_json(line)
            if wrong := [name for name, value in line.items() if name not in OTHERWISE and not _is_measured(value)]:
                raise ValueError(f"{wrong[0]} is no number")
        except MALFORMED as error:
            raise StorageError(f"{path}, line {number}: not a training step ({plainly(error)}); {RESTORE}") from error
    return lines


def _is_measured(value: object) -> bool:
    return value is None or isinstance(value, int | float)
