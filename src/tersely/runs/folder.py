"""The crash-safe run folder: kill the process at any moment, run the same command again, and it goes on.

::

    RUN/config.json              kind, version and configuration; decides whether a command may go on here
    RUN/<name>.jsonl             append-only logs (``tersely.runs.kinds``)
    RUN/checkpoints/step-000010/ what the caller wrote, state.json, MANIFEST.json (``tersely.runs.checkpoints``)
    RUN/weights/step-000010/     what is kept of an older one
    RUN/sealed.json              where each log of finished work ends (``tersely.runs.checks``)
    RUN/done.json                summary of finished work
    RUN/.lock                    held while a process works here

Logs are cut back to the lengths that the newest whole checkpoint recorded. A folder that comes from somebody else
leads no write out of it (``tersely.runs.identity``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tersely.errors import StorageError, UserError
from tersely.records import Json, JsonObject
from tersely.runs import disk as storage
from tersely.runs.checkpoints import Checkpoints, Write
from tersely.runs.checks import LogEnd, with_room
from tersely.runs.identity import (
    CONFIG,
    LEFTOVER,
    Grows,
    RunIdentity,
    begin_anew,
    is_run_folder,
    never,
    read_own_config,
    read_run_config,
    require_ours,
    same_work,
)
from tersely.runs.json_file import read_json, read_record, unchecked_words
from tersely.runs.kinds import logs_of
from tersely.runs.lock import take_lock
from tersely.runs.logs import (
    DONE,
    DONE_IS,
    SEALED,
    json_line,
    read_end,
    read_log,
    sign_lines,
    size_of,
    whole_bytes,
)
from tersely.runs.manifest import STEP_NAME, Checkpoint, verify_checkpoint

__all__ = ["Checkpoint", "RunFolder", "is_run_folder", "read_config", "read_done", "read_log", "verify_checkpoint"]

T = TypeVar("T")


class RunFolder:
    """One run's folder, locked for this process; use as a context manager. Made by ``RunFolder.open``."""

    def __init__(self, path: Path, kind: str, descriptor: int, checkpoints: Checkpoints) -> None:
        self.path = path
        self.kind = kind
        self.warnings = checkpoints.warnings
        """Everything unusual found so far, one sentence each, for the caller to show."""
        self._descriptor: int | None = descriptor
        self._checkpoints = checkpoints
        self._logs: tuple[str, ...] = ()
        self._ends: dict[str, LogEnd] = {}
        """Of the logs that were read or written by this process."""

    @classmethod
    def open(
        cls,
        path: Path,
        kind: str,
        config: JsonObject,
        *,
        keep: int = 2,
        grows: Grows = never,
        keep_weights: bool = False,
    ) -> RunFolder:
        """Make the run folder ``path`` or take up the one that is there, and lock it.

        ``kind`` (``tersely.runs.kinds.RunKind``) decides which logs it may hold, ``config`` is everything that
        identifies the work, as JSON values; work whose configuration ``grows`` into it is gone on with, and no longer
        finished. ``keep_weights``: of checkpoints beyond the newest ``keep`` the weights stay. Raises UserError for a
        folder that is not ours, of another kind or configuration, in use, or unwritable; nothing is written then.
        """
        checkpoints = Checkpoints(path, keep, keep_weights)
        wanted = _as_read(kind, config)
        with _opening(path):
            require_ours(path, wanted, grows)
            storage.make_dir(path)
            folder = cls(path, kind, take_lock(path), checkpoints)
            try:
                folder._recover(wanted, grows)
            except BaseException:
                folder.close()
                raise
        return folder

    @staticmethod
    def look(path: Path, kind: str, config: JsonObject, grows: Grows = never) -> Json | None:
        """What ``done`` would say after ``open``, and ``open``'s refusals; nothing is written and no lock taken.

        For work whose other checks take long: it is refused, or found finished, before they begin, and the folder is
        made after they have passed.
        """
        with _opening(path):
            wanted = _as_read(kind, config)
            require_ours(path, wanted, grows)
            found = read_run_config(path)
            return read_done(path) if found is not None and same_work(found.config, wanted.config) else None

    def close(self) -> None:
        """Give the lock back; the folder stays as it is."""
        if self._descriptor is not None:
            storage.unlock(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- logs

    def append(self, log: str, records: Sequence[JsonObject]) -> None:
        """Append ``records`` to ``<log>.jsonl``, one line each, durable on return.

        Raises ValueError for a log that folders of this kind do not hold, RunError if a number is not finite (JSON
        has none), StorageError if the disk refuses or what is there was damaged.
        """
        self._require_open()
        known = logs_of(self.kind)
        if log not in known:
            raise ValueError(f"{log!r} is no name for a log of a {self.kind} run: it is none of {sorted(known)}")
        lines = [json_line(log, with_room(record)) for record in records]
        if lines:
            self._register_log(log)
            self._cut_torn_line(self.path / f"{log}.jsonl")
            lines, end = sign_lines(lines, self._end(log))
            del self._ends[log]  # not known where the disk refuses
            storage.append_lines(self.path / f"{log}.jsonl", lines)
            self._ends[log] = end

    def empty(self, log: str) -> None:
        """Drop the lines of a log that was only kept until now."""
        self._require_open()
        if size_of(self.path / f"{log}.jsonl"):
            storage.truncate(self.path / f"{log}.jsonl", 0)
        self._ends.pop(log, None)

    def _end(self, log: str) -> LogEnd:
        """Where a log ends, read once."""
        if log not in self._ends:
            self._ends[log] = read_end(self.path / f"{log}.jsonl")
        return self._ends[log]

    def _register_log(self, log: str) -> None:
        """Note a log in config.json before its first line, so that ``rewind`` cuts our files and no others."""
        if log not in self._logs:
            logs = (*self._logs, log)
            storage.write_json_atomic(self.path / CONFIG, replace(read_own_config(self.path), logs=logs).to_json())
            self._logs = logs

    def _cut_torn_line(self, path: Path) -> None:
        """A crash can tear the last line of a log; nothing may be glued onto it."""
        whole = whole_bytes(path)
        if whole < size_of(path):
            self.warnings.append(f"{path}: the last line was torn by a crash and is dropped")
            storage.truncate(path, whole)

    # ---- checkpoints

    def save(self, step: int, write: Write, state: JsonObject, *, expect_bytes: int = 0) -> Checkpoint:
        """Make checkpoint ``step``: ``write(folder)`` fills it, ``state`` (JSON) goes along; then rotate.

        ``expect_bytes`` is the size to expect for the space check where there is no older checkpoint to judge by.
        Saving a step again keeps the existing one if it is the same, else puts the new one in its place. Raises
        StorageError if the disk refuses or is too full; older checkpoints are whole then.
        """
        self._require_open()
        lengths = {f"{log}.jsonl": size_of(self.path / f"{log}.jsonl") for log in self._logs}
        return self._checkpoints.save(step, write, state, lengths, expect_bytes)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that verifies, or None. Damaged newer ones are set aside and told in ``warnings``.

        UserError where it is whole but not as tersely writes them.
        """
        self._require_open()
        return self._checkpoints.newest(logs_of(self.kind))

    def rewind(self, checkpoint: Checkpoint | None) -> None:
        """Cut every log to its length in ``checkpoint`` (None: to nothing), so that work goes on from there.

        Newer checkpoints are set aside first, and what is cut is no longer finished. Raises StorageError if a log is
        shorter than recorded, or damaged in what is kept of it.
        """
        self._require_open()
        lengths = {} if checkpoint is None else checkpoint.log_bytes
        names = sorted({f"{log}.jsonl" for log in self._logs} | set(lengths))
        for name in names:
            found, wanted = size_of(self.path / name), lengths.get(name, 0)
            if found < wanted:
                raise StorageError(
                    f"{self.path / name} has {found} bytes, but {checkpoint and checkpoint.path.name} was made when it "
                    f"had {wanted}: lines are lost; restore the file or start anew in another folder"
                )
        self._checkpoints.set_newer_aside(-1 if checkpoint is None else checkpoint.step)
        longer = [name for name in names if size_of(self.path / name) > lengths.get(name, 0)]
        if longer and self.done is not None:
            storage.remove(self.path / DONE)
        for name in longer:
            storage.truncate(self.path / name, lengths.get(name, 0))
        self._ends = {name.removesuffix(".jsonl"): read_end(self.path / name, allow_torn=False) for name in names}

    # ---- finished work

    def mark_done(self, summary: JsonObject) -> None:
        """Say that the work is finished; ``done`` returns ``summary`` from now on."""
        self._require_open()
        seals = {log: self._end(log).to_json() for log in self._logs}
        storage.write_json_atomic(self.path / SEALED, seals)
        storage.write_json_atomic(self.path / DONE, summary)

    @property
    def done(self) -> Json | None:
        """The summary of finished work, or None while there is work left."""
        return read_done(self.path)

    def read_done(self, parse: Callable[[Json], T]) -> T | None:
        """``done`` as the record that ``parse`` makes of it; StorageError where it does not hold what it should."""
        return read_record(self.path / DONE, DONE_IS[0], parse, DONE_IS[1]) if self.done is not None else None

    def rename(self, place: Path, config: JsonObject) -> None:
        """Give finished work another place and the configuration that it has there; it stays finished. In this order,
        so that a crash between leaves it here, under the configuration of that place."""
        self._require_open()
        storage.write_json_atomic(self.path / CONFIG, replace(read_own_config(self.path), config=config).to_json())
        storage.rename(self.path, place)
        self.path = place

    # ---- inside

    def _require_open(self) -> None:
        if self._descriptor is None:
            raise ValueError(f"the run folder {self.path} is closed")

    def _recover(self, wanted: RunIdentity, grows: Grows) -> None:
        """Under the lock: look again, write config.json if the folder is new, clear what a crash left."""
        require_ours(self.path, wanted, grows)
        for leftover in sorted(self.path.iterdir()):
            if LEFTOVER.fullmatch(leftover.name):
                storage.remove(leftover)
        begin_anew(self.path, wanted)
        self._grow(wanted)
        if not is_run_folder(self.path):
            storage.write_json_atomic(self.path / CONFIG, wanted.to_json())
        found = read_own_config(self.path)
        self._logs = found.logs
        if not found.checked:
            self.warnings.append(unchecked_words(self.path))
        self._checkpoints.recover()

    def _grow(self, wanted: RunIdentity) -> None:
        """Of work that is gone on with beyond its end: it is not finished any more, and its configuration is the wanted
        one. In this order, so that a crash between leaves the older work as it was, to be finished again."""
        found = read_run_config(self.path)
        if found is None or same_work(found.config, wanted.config):
            return
        if (self.path / DONE).is_file():
            storage.remove(self.path / DONE)
        storage.write_json_atomic(self.path / CONFIG, replace(found, config=wanted.config).to_json())


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Refusals of the disk as UserErrors: the folder named is the user's to change."""
    try:
        yield
    except StorageError as error:
        if error.errno in storage.REFUSED:
            raise UserError(str(error)) from error
        raise
    except OSError as error:  # looking alone was refused: a name too long, a parent that may not be entered
        raise UserError(str(storage.refusal(error, "open", path))) from error


def _as_read(kind: str, config: JsonObject) -> RunIdentity:
    """The configuration as JSON gives it back."""
    return RunIdentity(kind, json.loads(json.dumps(config, allow_nan=False)))


def read_config(path: Path) -> Json:
    """The configuration a run folder was made with; UserError if ``path`` is no run folder."""
    return read_own_config(path).config


def read_done(path: Path) -> Json | None:
    """The summary in done.json of a run folder, or None where its work is not finished."""
    return read_json(path / DONE, *DONE_IS) if (path / DONE).is_file() else None


def unfinished_step(run: Path, checkpoint: Path) -> int | None:
    """The step of the checkpoint that stands for a run not trained to its end; None for a finished run, and for what is
    no run. What is said of it bears its step: the run's own name is for its last weights."""
    named = STEP_NAME.fullmatch(checkpoint.name)
    is_over = not is_run_folder(run) or (run / DONE).is_file()
    return None if is_over or named is None else int(named[1])
