"""The checkpoints of one run folder: saved beside their place, sealed, renamed, read again, rotated, set aside.

Whatever moment a crash comes at, the newest complete checkpoint is whole. Only names that tersely itself gives to
unfinished work (``step-N.tmp-<pid>``, ``step-N.old-<pid>``) are ever deleted; damaged checkpoints are set aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from glob import escape as glob_escape
from pathlib import Path

from tersely.errors import StorageError, UserError
from tersely.records import JsonObject
from tersely.runs import disk as storage
from tersely.runs import manifest
from tersely.runs.manifest import CHECKPOINTS, STATE, WEIGHTS, Checkpoint, read_checkpoint, verify_checkpoint

_LEFTOVER_STEP = re.compile(r"step-\d{6,}\.tmp-\d+")
_SPACE_MARGIN = 1.2

TRAINING = ("training", "optimizer.safetensors")
"""What a trainer keeps in a checkpoint for a resume alone (the second until training state had a folder of its own)."""

Write = Callable[[Path], None]
"""Fills the folder of a checkpoint with what its caller keeps there."""


class Checkpoints:
    """``RUN/checkpoints``. Only ``tersely.runs.folder.RunFolder`` holds one, under the run's lock."""

    def __init__(self, run: Path, keep: int, keep_weights: bool = False) -> None:
        """``keep``: how many that work can go on from; of older ones the weights stay where ``keep_weights`` is set."""
        if keep < 2:
            raise UserError(
                f"keep={keep} checkpoints is too few: at least 2, so that one is whole while one is written"
            )
        self.run = run
        self.folder = run / CHECKPOINTS
        self.warnings: list[str] = []
        """What was set aside and why, one sentence each."""
        self._keep, self._keep_weights = keep, keep_weights
        self._verified: set[Path] = set()

    def recover(self) -> None:
        """Make the folder; clear what a crash left in it and end with a whole checkpoint where one was replaced."""
        storage.make_dir(self.folder)
        for leftover in sorted(self.folder.iterdir()):
            if _LEFTOVER_STEP.fullmatch(leftover.name):
                storage.remove_tree(leftover)
        for step, old in manifest.replaced_folders(self.run):
            self._recover_replaced(old, self.folder / f"step-{step:06d}")

    def save(
        self, step: int, write: Write, state: JsonObject, log_bytes: Mapping[str, int], expect_bytes: int = 0
    ) -> Checkpoint:
        """Make checkpoint ``step`` from what ``write`` puts into its folder, ``state`` and the lengths of the logs.

        Older ones are rotated out afterwards. ValueError where a newer one stands, StorageError where the disk
        refuses or is too full.
        """
        newer = [folder.name for number, folder in self._steps() if number > step]
        if newer:
            raise ValueError(f"cannot save step {step}: {newer[0]} is newer; rewind to a checkpoint first")
        self._require_space(expect_bytes)
        target = self.folder / f"step-{step:06d}"
        beside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
        content = {"step": step, "state": state, "logs": dict(log_bytes)}
        try:
            _build(beside, step, write, json.dumps(content, indent=1, allow_nan=False))
            self._put_in_place(beside, target)
        except Exception:
            with contextlib.suppress(StorageError):  # a leftover is cleared at the next open
                if os.path.lexists(beside):
                    storage.remove_tree(beside)
            raise
        self._rotate()
        return read_checkpoint(target, step, [name.removesuffix(".jsonl") for name in log_bytes])

    def newest(self, logs: Collection[str]) -> Checkpoint | None:
        """The newest one that verifies, or None; damaged newer ones are set aside. ``logs``: those it may know."""
        for step, folder in self._steps():
            problems = verify_checkpoint(folder)
            if not problems:
                checkpoint = read_checkpoint(folder, step, logs)
                self._verified.add(folder)
                self._rotate()
                return checkpoint
            self._set_aside(folder, "bad", problems)
        return None

    def set_newer_aside(self, step: int) -> None:
        """Rename all of a later step out of the way, so that work can go on from ``step``."""
        for number, folder in self._steps() + manifest.step_folders(self.run, WEIGHTS):
            if number > step:
                self._set_aside(folder, "aside", [f"{folder} is newer than the step to go on from"])

    # ---- inside

    def _steps(self) -> list[tuple[int, Path]]:
        return manifest.step_folders(self.run)

    def _recover_replaced(self, old: Path, target: Path) -> None:
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
        needed, free = int(last * _SPACE_MARGIN), storage.free_bytes(self.run)
        if needed > free:
            raise StorageError(
                f"not enough room for the next checkpoint in {self.folder}: {needed:,} bytes needed, {free:,} "
                "free; what is there is whole, free some space and run the same command again"
            )

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
        for step, folder in steps if len(steps) > self._keep else []:
            if valid >= self._keep:
                if self._keep_weights:
                    self._move_weights(step, folder)
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

    def _move_weights(self, step: int, folder: Path) -> None:
        """What a checkpoint serves, sealed anew among the weights; of a damaged one nothing is kept."""
        if folder not in self._verified and verify_checkpoint(folder):
            return
        keep_model(self.run / WEIGHTS / folder.name, step, lambda beside: _link_model(folder, beside))

    def _set_aside(self, folder: Path, why: str, problems: list[str]) -> None:
        """Rename a checkpoint out of the way, keeping every byte, and tell it."""
        place, count = folder.with_name(f"{why}-{folder.name}"), 1
        while os.path.lexists(place):
            count += 1
            place = folder.with_name(f"{why}-{folder.name}-{count}")
        self._verified.discard(folder)
        storage.rename(folder, place)
        self.warnings.append(f"checkpoint set aside as {place}: " + "; ".join(problems[:3]))


def _build(beside: Path, step: int, write: Write, state: str) -> None:
    """A sealed checkpoint under a leftover's name."""
    if os.path.lexists(beside):
        storage.remove_tree(beside)
    storage.make_dir(beside)
    storage.produce(beside, write)
    taken = [name for name in (STATE, manifest.MANIFEST) if (beside / name).exists()]
    if taken:
        raise ValueError(f"a checkpoint's writer must not write {taken[0]}: the run folder does")
    storage.write_file(beside / STATE, state.encode())
    manifest.seal(beside, step)


def _link_model(checkpoint: Path, beside: Path) -> None:
    """All of a checkpoint but what a resume alone needs, under second names where the file system has them."""
    for path in storage.regular_files(checkpoint):
        name = path.relative_to(checkpoint)
        if name.parts[0] in (STATE, manifest.MANIFEST, *TRAINING):
            continue
        (beside / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, beside / name)
        except OSError:
            shutil.copyfile(path, beside / name)


def keep_model(target: Path, step: int, write: Write) -> None:
    """Put a sealed model folder at ``target``, whole or not at all, in place of one that is there.

    For weights that a run keeps beside its checkpoints: nothing goes on from them. ``verify_checkpoint`` proves them.
    """
    storage.make_dir(target.parent)
    for leftover in target.parent.glob(f"{glob_escape(target.name)}.tmp-*"):
        storage.remove_tree(leftover)
    beside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    _build(beside, step, write, json.dumps({"step": step, "state": {}, "logs": {}}))
    if os.path.lexists(target):
        storage.remove_tree(target)
    storage.rename(beside, target)
