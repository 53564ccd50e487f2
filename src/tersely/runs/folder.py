"""The crash-safe run folder: kill the process at any moment, run the same command again, and it goes on.

::

    RUN/config.json              kind, version and configuration; decides whether a command may go on here
    RUN/<name>.jsonl             append-only logs (journal, samples, ...)
    RUN/checkpoints/step-000010/ what the caller wrote, state.json, MANIFEST.json (``tersely.runs.manifest``)
    RUN/done.json                summary of finished work
    RUN/.lock                    held while a process works here

A checkpoint is written beside its place, sealed, renamed, read again and only then are older ones rotated out, so at
every moment the newest complete one is whole. Logs are cut back to the lengths it recorded. Only names that tersely
itself gives to unfinished work (``*.tmp-<pid>``, ``*.old-<pid>``) are ever deleted; damaged checkpoints are set aside.
A folder that comes from somebody else leads no write out of it (``tersely.runs.identity``).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tersely import __version__
from tersely.errors import StorageError, UserError
from tersely.runs import disk as storage
from tersely.runs import manifest
from tersely.runs.identity import CONFIG, LEFTOVER, is_run_folder, read_own_config, require_ours, take_lock
from tersely.runs.logs import LOGS, json_line, read_log, size_of, whole_bytes
from tersely.runs.manifest import CHECKPOINTS, STATE, Checkpoint, read_checkpoint, verify_checkpoint

__all__ = ["Checkpoint", "RunFolder", "is_run_folder", "read_config", "read_log", "verify_checkpoint"]

_DONE = "done.json"
_LEFTOVER_STEP = re.compile(r"step-\d{6,}\.tmp-\d+")
_SPACE_MARGIN = 1.2


class RunFolder:
    """One run's folder, locked for this process; use as a context manager. Made by ``RunFolder.open``."""

    def __init__(self, path: Path, kind: str, descriptor: int | None, *, keep: int) -> None:
        self.path = path
        self.kind = kind
        self.warnings: list[str] = []
        """Everything unusual found so far, one sentence each, for the caller to show."""
        self._keep = keep
        self._descriptor = descriptor
        self._logs: list[str] = []
        self._verified: set[Path] = set()

    @classmethod
    def open(cls, path: Path, kind: str, config: dict[str, Any], *, keep: int = 2) -> RunFolder:
        """Make the run folder ``path`` or take up the one that is there, and lock it.

        ``config`` is everything that identifies the work, as JSON values. Raises UserError for a folder that is not
        ours, of another kind or configuration, in use, or unwritable; nothing is written then.
        """
        if keep < 2:
            raise UserError(
                f"keep={keep} checkpoints is too few: at least 2, so that one is whole while one is written"
            )
        wanted: dict[str, Any] = {"kind": kind, "config": json.loads(json.dumps(config, allow_nan=False))}
        try:
            require_ours(path, wanted)
            storage.make_dir(path)
            folder = cls(path, kind, take_lock(path), keep=keep)
            try:
                folder._settle(wanted)
            except BaseException:
                folder.close()
                raise
        except StorageError as error:
            if error.errno in storage.REFUSED:
                raise UserError(str(error)) from error
            raise
        except OSError as error:  # looking alone was refused: a name too long, a parent that may not be entered
            raise UserError(str(storage.refusal(error, "open", path))) from error
        return folder

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

    def append(self, name: str, records: Sequence[dict[str, Any]]) -> None:
        """Append ``records`` to ``<name>.jsonl``, one of ``LOGS``, one line each, durable on return.

        Raises RunError if a number is not finite (JSON has none), StorageError if the disk refuses.
        """
        self._require_open()
        if name not in LOGS:
            raise ValueError(f"{name!r} is no name for a log: it is none of {', '.join(sorted(LOGS))}")
        lines = [json_line(name, record) for record in records]
        if lines:
            self._register_log(name)
            self._cut_torn_line(self.path / f"{name}.jsonl")
            storage.append_lines(self.path / f"{name}.jsonl", lines)

    def _register_log(self, name: str) -> None:
        """Note a log in config.json before its first line, so that ``rewind`` cuts our files and no others."""
        if name not in self._logs:
            names = [*self._logs, name]
            storage.write_json_atomic(self.path / CONFIG, {**read_own_config(self.path), "logs": names})
            self._logs = names

    def _cut_torn_line(self, path: Path) -> None:
        """A crash can tear the last line of a log; nothing may be glued onto it."""
        whole = whole_bytes(path)
        if whole < size_of(path):
            self.warnings.append(f"{path}: the last line was torn by a crash and is dropped")
            storage.truncate(path, whole)

    # ---- checkpoints

    def save(
        self, step: int, write: Callable[[Path], None], state: dict[str, Any], *, expect_bytes: int = 0
    ) -> Checkpoint:
        """Make checkpoint ``step``: ``write(folder)`` fills it, ``state`` (JSON) goes along; then rotate.

        ``expect_bytes`` is the size to expect for the space check where there is no older checkpoint to judge by.
        Saving a step again keeps the existing one if it is the same, else puts the new one in its place. Raises
        StorageError if the disk refuses or is too full; older checkpoints are whole then.
        """
        self._require_open()
        newer = [folder.name for number, folder in self._steps() if number > step]
        if newer:
            raise ValueError(f"cannot save step {step}: {newer[0]} is newer; rewind to a checkpoint first")
        self._require_space(expect_bytes)
        target = self._checkpoints / f"step-{step:06d}"
        beside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
        try:
            self._build(beside, step, write, state)
            self._put_in_place(beside, target)
        except Exception:
            with contextlib.suppress(StorageError):  # a leftover is cleared at the next open
                if os.path.lexists(beside):
                    storage.remove_tree(beside)
            raise
        self._rotate()
        return read_checkpoint(target, step)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that verifies, or None. Damaged newer ones are set aside and told in ``warnings``.

        UserError where it is whole but not as tersely writes them.
        """
        self._require_open()
        for step, folder in self._steps():
            problems = verify_checkpoint(folder)
            if not problems:
                checkpoint = read_checkpoint(folder, step)
                self._verified.add(folder)
                self._rotate()
                return checkpoint
            self._set_aside(folder, "bad", problems)
        return None

    def rewind(self, checkpoint: Checkpoint | None) -> None:
        """Cut every log to its length in ``checkpoint`` (None: to nothing), so that work goes on from there.

        Newer checkpoints are set aside first. Raises StorageError if a log is shorter than recorded.
        """
        self._require_open()
        start = -1 if checkpoint is None else checkpoint.step
        lengths = {} if checkpoint is None else checkpoint.log_bytes
        names = {f"{name}.jsonl" for name in self._logs} | set(lengths)
        for name in sorted(names):
            found, wanted = size_of(self.path / name), lengths.get(name, 0)
            if found < wanted:
                raise StorageError(
                    f"{self.path / name} has {found} bytes, but {checkpoint and checkpoint.path.name} was made when it "
                    f"had {wanted}: lines are lost; restore the file or start anew in another folder"
                )
        for step, folder in self._steps():
            if step > start:
                self._set_aside(folder, "aside", [f"{folder} is newer than the step to go on from"])
        for name in sorted(names):
            if size_of(self.path / name) > lengths.get(name, 0):
                storage.truncate(self.path / name, lengths.get(name, 0))

    # ---- finished work

    def mark_done(self, summary: dict[str, Any]) -> None:
        """Say that the work is finished; ``done`` returns ``summary`` from now on."""
        self._require_open()
        storage.write_json_atomic(self.path / _DONE, summary)

    @property
    def done(self) -> dict[str, Any] | None:
        """The summary of finished work, or None while there is work left."""
        return read_done(self.path)

    # ---- inside

    @property
    def _checkpoints(self) -> Path:
        return self.path / CHECKPOINTS

    def _steps(self) -> list[tuple[int, Path]]:
        return manifest.step_folders(self.path)

    def _require_open(self) -> None:
        if self._descriptor is None:
            raise ValueError(f"the run folder {self.path} is closed")

    def _settle(self, wanted: dict[str, Any]) -> None:
        """Under the lock: look again, write config.json if the folder is new, clear what a crash left."""
        require_ours(self.path, wanted)
        for leftover in sorted(self.path.iterdir()):
            if LEFTOVER.fullmatch(leftover.name):
                storage.remove(leftover)
        if not is_run_folder(self.path):
            storage.write_json_atomic(self.path / CONFIG, {"tersely": __version__, **wanted, "logs": []})
        self._logs = list(read_own_config(self.path)["logs"])
        storage.make_dir(self._checkpoints)
        for leftover in sorted(self._checkpoints.iterdir()):
            if _LEFTOVER_STEP.fullmatch(leftover.name):
                storage.remove_tree(leftover)
        for step, old in manifest.replaced_folders(self.path):
            self._settle_replacement(old, self._checkpoints / f"step-{step:06d}")

    def _settle_replacement(self, old: Path, target: Path) -> None:
        """A crash came while ``old`` made place for another checkpoint of its step: end with a whole one."""
        problems = verify_checkpoint(target) if os.path.lexists(target) else ["not there yet"]
        if not problems:
            storage.remove_tree(old)
            return
        if os.path.lexists(target):
            self._set_aside(target, "bad", problems)
        storage.rename(old, target)

    def _require_space(self, expect_bytes: int) -> None:
        steps = self._steps()
        last = sum(p.stat().st_size for p in storage.regular_files(steps[0][1])) if steps else expect_bytes
        needed, free = int(last * _SPACE_MARGIN), storage.free_bytes(self.path)
        if needed > free:
            raise StorageError(
                f"not enough room for the next checkpoint in {self._checkpoints}: {needed:,} bytes needed, {free:,} "
                "free; what is there is whole, free some space and run the same command again"
            )

    def _build(self, beside: Path, step: int, write: Callable[[Path], None], state: dict[str, Any]) -> None:
        if os.path.lexists(beside):
            storage.remove_tree(beside)
        storage.make_dir(beside)
        storage.produce(beside, write)
        taken = [name for name in (STATE, manifest.MANIFEST) if (beside / name).exists()]
        if taken:
            raise ValueError(f"a checkpoint's writer must not write {taken[0]}: the run folder does")
        logs = {f"{name}.jsonl": size_of(self.path / f"{name}.jsonl") for name in self._logs}
        text = json.dumps({"step": step, "state": state, "logs": logs}, indent=1, allow_nan=False)
        storage.write_file(beside / STATE, text.encode())
        manifest.seal(beside, step)

    def _put_in_place(self, beside: Path, target: Path) -> None:
        """Rename the sealed folder to its name and read it again.

        A valid checkpoint of the same step stays if it is the same; else it waits as ``.old-<pid>``, a name that every
        reader knows, until the new one is verified, so that there is no moment without a valid one.
        """
        problems = verify_checkpoint(target) if os.path.lexists(target) else None
        if problems == [] and manifest.read_manifest(target) == manifest.read_manifest(beside):
            storage.remove_tree(beside)
            return
        if problems:
            self._set_aside(target, "bad", problems)
        old = target.with_name(f"{target.name}.old-{os.getpid()}") if problems == [] else None
        if old:
            storage.rename(target, old)
        try:
            storage.rename(beside, target)
            self._read_again(target)
        except StorageError:
            with contextlib.suppress(StorageError):
                if old and not os.path.lexists(target):
                    storage.rename(old, target)
            raise
        if old:
            storage.remove_tree(old)

    def _read_again(self, target: Path) -> None:
        problems = verify_checkpoint(target, from_disk=True)
        if problems:
            self._set_aside(target, "bad", problems)
            raise StorageError(f"the disk gives back other bytes than were written: {problems[0]}; check the disk")
        self._verified.add(target)

    def _rotate(self) -> None:
        """Keep the newest ``keep`` valid checkpoints; older ones get a leftover's name first, so none is ever half."""
        steps, valid = self._steps(), 0
        for _, folder in steps if len(steps) > self._keep else []:
            if valid >= self._keep:
                leaving = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
                storage.rename(folder, leaving)
                storage.remove_tree(leaving)
                continue
            problems = [] if folder in self._verified else verify_checkpoint(folder)
            if problems:
                self._set_aside(folder, "bad", problems)
            else:
                self._verified.add(folder)
                valid += 1

    def _set_aside(self, folder: Path, why: str, problems: list[str]) -> None:
        """Rename a checkpoint out of the way, keeping every byte, and tell it."""
        place, count = folder.with_name(f"{why}-{folder.name}"), 1
        while os.path.lexists(place):
            count += 1
            place = folder.with_name(f"{why}-{folder.name}-{count}")
        self._verified.discard(folder)
        storage.rename(folder, place)
        self.warnings.append(f"checkpoint set aside as {place}: " + "; ".join(problems[:3]))


def read_config(path: Path) -> dict[str, Any]:
    """The configuration a run folder was made with; UserError if ``path`` is no run folder."""
    config: dict[str, Any] = read_own_config(path)["config"]
    return config


def read_done(path: Path) -> dict[str, Any] | None:
    """The summary in done.json of a run folder, or None."""
    try:
        summary = json.loads((path / _DONE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path / _DONE} cannot be read ({error}); remove it and run the same command again"
        ) from error
    return summary if isinstance(summary, dict) else None
