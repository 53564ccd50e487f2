"""Whose a run folder is: the config.json that decides who may go on in it.

The folder that a person names is theirs, even behind a symbolic link. What lies in it may come from somebody else: it
must not lead our writes to other files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely import __version__
from tersely.errors import StorageError, UserError
from tersely.records import Json, JsonObject
from tersely.runs import disk, places
from tersely.runs.checks import CHECKED
from tersely.runs.json_file import RESTORE, fault, read_regular
from tersely.runs.kinds import logs_of
from tersely.runs.lock import LOCK
from tersely.runs.logs import whole_bytes
from tersely.runs.manifest import CHECKPOINTS, WEIGHTS

CONFIG = "config.json"
LEFTOVER = re.compile(
    r"(config|done|probe|trained_on|unjudged|expected|summary|profile|model_check|sealed|stopped)\.json\.tmp-\d+",
    flags=re.ASCII,
)
"""Names of files that a crash can leave at the top of a run folder."""
_FOLDERS = (CHECKPOINTS, WEIGHTS)
_OURS = re.compile(rf"{re.escape(LOCK)}|{CHECKPOINTS}|{WEIGHTS}|.+\.jsonl?")
"""Names that we write to, read or cut at the top of a run folder."""
_BEGUN = frozenset({CONFIG, LOCK, "expected.json", "trained_on.json", "probe.json", "model_check.json"})
"""What is written before the first result."""
_ABSENT = object()

Grows = Callable[[Json], bool]
"""Whether finished work of this older configuration is a beginning of the work wanted, to be gone on with."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """config.json of a run folder.

    Example: ``RunIdentity("train", {"seed": 0, "objective": {"alpha": 0.1}}, logs=("journal",))``
    """

    kind: str
    """A ``tersely.runs.kinds.RunKind``, or what a later version wrote there."""
    config: Json
    """All that identifies the work, as its kind writes it."""
    logs: tuple[str, ...] = ()
    """The logs begun so far. What is no name stands here as its JSON text, which no log bears."""
    version: str = __version__
    """Of the tersely that made the folder."""
    checked: bool = True
    """Every line and every file of it bears a check; earlier versions wrote none."""

    def to_json(self) -> JsonObject:
        says = {CHECKED: True} if self.checked else {}
        return {"tersely": self.version, **says, "kind": self.kind, "config": self.config, "logs": list(self.logs)}

    @classmethod
    def from_json(cls, content: Json) -> RunIdentity:
        """KeyError or ValueError where it is another config.json, such as a model's."""
        kind, config, version = content["kind"], content["config"], content["tersely"]
        if not (isinstance(kind, str) and isinstance(config, dict) and isinstance(version, str)):
            raise ValueError("kind and version are text, the configuration is an object")
        return cls(kind, config, _log_names(content.get("logs", [])), version, content.get(CHECKED) is True)


def _log_names(logs: Any) -> tuple[str, ...]:
    if not isinstance(logs, list):
        return (_shown(logs),)
    return tuple(name if isinstance(name, str) else _shown(name) for name in logs)


def never(old: Json) -> bool:
    """No other configuration grows into the one wanted."""
    return False


def read_run_config(path: Path) -> RunIdentity | None:
    """config.json of a run folder, or None where ``path`` is none. StorageError where it was damaged."""
    try:
        text = read_regular(path / CONFIG)
    except OSError:
        return None
    if why := fault(path / CONFIG, text):
        raise StorageError(f"{path / CONFIG} cannot be read as the configuration of a run: {why}; {RESTORE}")
    try:
        content = json.loads(text)
        return RunIdentity.from_json(content) if isinstance(content, dict) else None
    except (ValueError, KeyError, RecursionError):
        return None


def is_run_folder(path: Path) -> bool:
    """Whether ``path`` holds the config.json that tersely writes into run folders (a model's looks different)."""
    return read_run_config(path) is not None


def read_own_config(path: Path) -> RunIdentity:
    """``read_run_config``, but UserError where there is none or where it names logs that are not of its kind."""
    found = read_run_config(path)
    if found is None:
        raise UserError(f"{path} is no tersely run folder (no config.json of one)")
    strange = [name for name in found.logs if name not in logs_of(found.kind)]
    if strange:
        raise UserError(
            f"{path / CONFIG} names {_shown(strange[0])} among its logs, which tersely never writes: the folder was "
            "changed by others; name another folder"
        )
    return found


def require_ours(path: Path, wanted: RunIdentity, grows: Grows = never) -> None:
    """UserError unless ``path`` is missing, empty, or a run folder of the wanted kind and configuration (or of one that
    ``grows`` into it), in which nothing leads our writes elsewhere. The configuration of a folder that holds nothing
    yet binds nobody."""
    _require_no_links_to(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; name a folder for the run")
    found = read_run_config(path) if path.is_dir() else None
    if found is None:
        _require_empty(path)
        _require_plain(path)
        return
    if found.kind != wanted.kind:
        raise UserError(f"{path} holds a {found.kind!r} run, not a {str(wanted.kind)!r} one; name another folder")
    differing = _differences(found.config, wanted.config)
    if differing and not _holds_nothing(path, found.kind) and not grows(found.config):
        raise UserError(
            f"{path} was made with another configuration: {'; '.join(differing)}; "
            "name another folder, or give the old settings to go on with it"
        )
    _require_plain(path)
    read_own_config(path)


def begin_anew(path: Path, wanted: RunIdentity) -> None:
    """Under the lock: where a folder that holds nothing was begun under another configuration, clear what it noted."""
    found = read_run_config(path)
    if found is None or not _differences(found.config, wanted.config) or not _holds_nothing(path, found.kind):
        return
    for entry in sorted(path.iterdir()):
        if entry.name in _BEGUN - {LOCK} or _is_blank_log(entry, found.kind):
            disk.remove(entry)


def _holds_nothing(path: Path, kind: str) -> bool:
    """Whether a run folder was begun and left before its first result: no whole line in a log, no checkpoint, nothing
    finished, and nothing of anybody else's."""
    for entry in path.iterdir():
        if entry.name == CHECKPOINTS and entry.is_dir() and not entry.is_symlink():
            if any(entry.iterdir()):
                return False
        elif entry.name not in _BEGUN and not LEFTOVER.fullmatch(entry.name) and not _is_blank_log(entry, kind):
            return False
    return True


def _is_blank_log(path: Path, kind: str) -> bool:
    ours = path.suffix == ".jsonl" and path.stem in logs_of(kind)
    return ours and path.is_file() and not path.is_symlink() and whole_bytes(path) == 0


def _require_no_links_to(path: Path) -> None:
    """A run folder inside another one (an evaluation, a baseline's samples) lies really there."""
    whole = path.absolute()
    around = [parent for parent in whole.parents if is_run_folder(parent)]
    if around:
        places.require_no_links(whole, below=around[-1])


def _require_plain(path: Path) -> None:
    """No link out of the folder, and none, nor a pipe, in place of what is ours; leftovers are removed unread."""
    home = os.path.realpath(path)
    for entry in sorted(path.iterdir()) if path.is_dir() else []:
        is_ours = _OURS.fullmatch(entry.name) is not None
        if entry.is_symlink() and not LEFTOVER.fullmatch(entry.name):
            if is_ours or not Path(os.path.realpath(entry)).is_relative_to(home):
                places.require_no_links(entry, below=path)
        elif is_ours and not (entry.is_dir() if entry.name in _FOLDERS else entry.is_file()):
            what = "folder" if entry.name in _FOLDERS else "regular file"
            raise UserError(f"{entry} is no {what}: remove it, or name another folder")


def _require_empty(path: Path) -> None:
    if not path.is_dir():
        return
    try:
        strangers = sorted(p.name for p in path.iterdir() if p.name != LOCK and not LEFTOVER.fullmatch(p.name))
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}; choose another"
        ) from error
    if strangers:
        raise UserError(
            f"{path} is not empty and is no run folder (it holds {strangers[0]}); name an empty or new folder"
        )


def same_work(old: Json, new: Json) -> bool:
    """Whether two configurations are of one work, however paths are spelt whose content is known."""
    return not _differences(old, new)


def _differences(old: Any, new: Any, key: str = "") -> list[str]:
    """Every differing key, dotted, with both values: ``"train.alpha was 0.1, is now 0.2"``.

    What is known by content goes by that: where ``model_sha256`` is there and the same, ``model`` may lie elsewhere.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if not _same_content(old, new, name)]
        pairs = [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names]
        return [line for name, a, b in pairs for line in _differences(a, b, f"{key}.{name}" if key else name)]
    if isinstance(old, bool) == isinstance(new, bool) and old == new:
        return []
    return [f"{key} was {_shown(old)}, is now {_shown(new)}"]


def _same_content(old: Json, new: Json, name: str) -> bool:
    digest = f"{name}_sha256"
    return name in old and name in new and old.get(digest) is not None and old[digest] == new.get(digest)


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
