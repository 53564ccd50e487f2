"""What proves a checkpoint folder whole: MANIFEST.json, the last file written, with size and SHA-256 of the others.

No loader checks this for us: a ``.safetensors`` file with one flipped bit loads silently. So every checkpoint is
verified before a tensor of it is used. The manifest guards itself too: it holds the hash of its own content and must
be byte for byte what ``_encode`` makes of that content.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, TypeVar, cast

from tersely import __version__
from tersely.errors import UserError
from tersely.records import Json
from tersely.runs import disk
from tersely.runs.json_file import read_regular

MANIFEST = "MANIFEST.json"
STATE = "state.json"
CARD = "README.md"
"""Written beside the weights by `tersely publish`, after the seal: no loader reads it."""
CHECKPOINTS = "checkpoints"
WEIGHTS = "weights"
"""In a run folder: what is kept of checkpoints that made room for newer ones; nothing goes on from it."""
STEP_NAME = re.compile(r"step-(\d{6,})")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint.

    Example: ``Checkpoint(Path("run/checkpoints/step-000010"), 10, {"epoch": 0}, {"journal.jsonl": 2048})``
    """

    path: Path
    step: int
    state: Json
    """What the caller gave to ``save``, as JSON returns it (tuples are lists, keys are strings)."""
    log_bytes: dict[str, int]
    """Length of every log when the checkpoint was made, by file name."""

    def read_state(self, parse: Callable[[Json], T]) -> T:
        """What ``parse`` (a record's ``from_json``) makes of the state; UserError where it is not as we write it."""
        try:
            return parse(self.state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _changed_by_others(self.path, f"what work of this kind goes on from ({error!r})") from error


class FileEntry(TypedDict):
    """One file of a checkpoint: posix path inside the folder, size in bytes, SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


class Manifest(TypedDict):
    """MANIFEST.json, its own ``sha256`` apart."""

    step: int
    tersely: str
    files: list[FileEntry]


def hash_file(path: Path, *, from_disk: bool = False) -> str:
    """SHA-256 of a file in hex. ``from_disk`` asks the kernel to drop its cached copy first (a real re-read)."""
    with path.open("rb") as file:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, step: int) -> None:
    """Write MANIFEST.json over everything in ``folder`` but a card, which may be written anew: from now on it is a
    complete checkpoint."""
    files: list[FileEntry] = [
        {"name": name, "bytes": (folder / name).stat().st_size, "sha256": hash_file(folder / name)}
        for name, regular in _listing(folder)
        if regular and name not in (MANIFEST, CARD)
    ]
    content: Manifest = {"step": step, "tersely": __version__, "files": files}
    disk.write_file(folder / MANIFEST, _encode(content))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a checkpoint folder, or None if it is missing, damaged or not ours."""
    try:
        raw = read_regular(folder / MANIFEST)
        content = json.loads(raw)
        content.pop("sha256")
        manifest = cast(Manifest, content)
        shaped = isinstance(manifest["step"], int) and all(
            set(e) == {"name", "bytes", "sha256"} for e in manifest["files"]
        )
        return manifest if shaped and _encode(manifest) == raw else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def verify_checkpoint(path: Path, *, from_disk: bool = False) -> list[str]:
    """What is wrong with a checkpoint folder, one sentence each; empty means whole and safe to load.

    Checked: the manifest, every size and SHA-256, that nothing is missing, unlisted (hidden files of the system
    apart, which no loader reads) or a symbolic link, and that a ``step-N`` folder holds step N.
    """
    if path.is_symlink() or not path.is_dir():
        return [f"{path} is no folder" if not path.is_symlink() else f"{path} is a symbolic link"]
    manifest = read_manifest(path)
    if manifest is None:
        return [f"{path / MANIFEST} is missing or damaged"]
    named = STEP_NAME.fullmatch(path.name)
    problems = []
    if named and int(named[1]) != manifest["step"]:
        problems.append(f"{path / MANIFEST} is of step {manifest['step']}, not of {path.name}")
    present = dict(_listing(path))
    listed = {entry["name"] for entry in manifest["files"]}
    problems += [f"{path / name} is not in the manifest" for name in present if name not in listed | {MANIFEST, CARD}]
    if not present.get(MANIFEST, False):
        problems.append(f"{path / MANIFEST} is a symbolic link or no regular file")
    if STATE not in listed:
        problems.append(f"{path / MANIFEST} lists no {STATE}")
    for entry in manifest["files"]:
        problems += _check_file(path, entry, present, from_disk)
    return problems


def read_checkpoint(folder: Path, step: int, logs: Collection[str]) -> Checkpoint:
    """The checkpoint in a verified folder. UserError for a state.json that we never wrote, whoever sealed it: its
    lengths decide which files are cut, and those are ``logs`` alone."""
    files = {f"{log}.jsonl" for log in logs}
    try:
        content = json.loads(read_regular(folder / STATE))
        state, lengths = content["state"], content["logs"]
        is_ours = all(name in files and type(length) is int and length >= 0 for name, length in lengths.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise _changed_by_others(folder, "the lengths of tersely's logs")
    return Checkpoint(folder, step, state, lengths)


def _changed_by_others(folder: Path, missing: str) -> UserError:
    return UserError(
        f"{folder / STATE} does not hold {missing}: the folder was changed by others; "
        "remove this checkpoint, or name another folder"
    )


def step_folders(run: Path, place: str = CHECKPOINTS) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint by name, newest first; nothing is verified."""
    try:
        names = [(STEP_NAME.fullmatch(path.name), path) for path in (run / place).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(((int(found[1]), path) for found, path in names if found), reverse=True)


def model_folders(run: Path) -> list[tuple[int, Path]]:
    """The same of every step whose weights are there, with or without what a resume needs."""
    return sorted({**dict(step_folders(run, WEIGHTS)), **dict(step_folders(run))}.items(), reverse=True)


def replaced_folders(run: Path) -> list[tuple[int, Path]]:
    """(step, folder) of checkpoints a crash caught while another of the same step took their place, newest first."""
    found = []
    for path in (run / CHECKPOINTS).glob("step-*.old-*"):
        named = STEP_NAME.fullmatch(path.name.split(".")[0])
        if named and path.name.rsplit("-", 1)[-1].isdigit():
            found.append((int(named[1]), path))
    return sorted(found, reverse=True)


def _check_file(folder: Path, entry: FileEntry, present: dict[str, bool], from_disk: bool) -> list[str]:
    path = folder / entry["name"]
    if entry["name"] not in present:
        return [f"{path} is missing"]
    if not present[entry["name"]]:
        return [f"{path} is a symbolic link or no regular file"]
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            return [f"{path} has {size} bytes, {entry['bytes']} were written (SHA-256 {entry['sha256']})"]
        found = hash_file(path, from_disk=from_disk)
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror}"]
    return [] if found == entry["sha256"] else [f"{path} has SHA-256 {found}, {entry['sha256']} was written"]


def _listing(folder: Path) -> list[tuple[str, bool]]:
    """(posix name inside ``folder``, is a regular file) of all that is in there, directories apart, sorted.

    Hidden names at the top (.nfs*, .DS_Store) are left out; a symbolic link is listed as not regular, not followed.
    """
    found = []
    for top, directories, names in os.walk(folder):
        links = [name for name in directories if (Path(top) / name).is_symlink()]
        for name in [*names, *links]:
            place = Path(top) / name
            relative = place.relative_to(folder).as_posix()
            if not relative.startswith("."):
                found.append((relative, place.is_file() and not place.is_symlink()))
    return sorted(found)


def _encode(manifest: Manifest) -> bytes:
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    body = {**manifest, "sha256": hashlib.sha256(canonical.encode()).hexdigest()}
    return (json.dumps(body, indent=1, allow_nan=False) + "\n").encode()
