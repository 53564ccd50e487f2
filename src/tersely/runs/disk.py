"""The only door through which run folders change the disk.

Every public function that changes something is one *storage call*: it tells the observer before and after, and turns
an ``OSError`` into one clear ``StorageError``. A test that installs an observer can therefore die before, after or in
the middle of each call of a run (``tests/support/crash.py``) or refuse any of them (disk full), internals untouched.

Durability: a call returns only when its bytes and the directory entries it made have been fsynced.

A run folder may come from somebody else, so no call writes through a symbolic link that stands where its file goes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tersely.errors import StorageError
from tersely.records import JsonObject
from tersely.runs.checks import sign, with_room
from tersely.runs.places import UNLINK, open_plain, require_free

TEARABLE = frozenset({"write_file", "append_lines", "produce", "remove_tree", "lock"})
"""Operations that a crash can leave half done. The others (rename, truncate, ...) happen or do not happen."""

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too big",
}
_CLOSED = {errno.EROFS: "read-only file system", errno.EACCES: "permission denied", errno.EPERM: "not permitted"}
REFUSED = frozenset(_CLOSED) | {errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR}
"""errno values that mean "not this place, ever", in contrast to a full or failing disk."""


class Observer(Protocol):
    """What watches storage calls. Raising from either method stands for a crash or, with an OSError, a refusal."""

    def before(self, operation: str, path: Path) -> bool:
        """Return True to ask for a torn call (``TEARABLE`` only): half is done, then ``after`` must raise."""

    def after(self, operation: str, path: Path) -> None:
        """The call is done and durable (or torn, if asked for)."""


class _NoObserver:
    def before(self, operation: str, path: Path) -> bool:
        return False

    def after(self, operation: str, path: Path) -> None:
        return None


_observer: Observer = _NoObserver()


@contextlib.contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Let ``observer`` see every storage call of this process inside the ``with`` block."""
    global _observer
    previous, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = previous


@contextlib.contextmanager
def _storage_call(operation: str, path: Path, needed: int = 0) -> Iterator[bool]:
    """One storage call: yields whether to tear it, and translates what the operating system refuses."""
    try:
        tear = _observer.before(operation, path)
        yield tear
        _observer.after(operation, path)
    except StorageError:
        raise
    except OSError as error:
        raise refusal(error, operation, path, needed) from error
    if tear:
        raise RuntimeError(f"the observer asked for a torn {operation} and then let the program live")


def refusal(error: OSError, operation: str, path: Path, needed: int = 0) -> StorageError:
    """One sentence for a refused call: where, why, bytes needed and free, how to mend. ``errno`` is kept."""
    code = error.errno or errno.EIO
    cure = "what was complete before is untouched, run the same command again once the disk is well"
    if code in _FULL:
        wanted = f"{needed:,} bytes needed, " if needed else ""
        reason = f"{_FULL[code]} ({wanted}{free_bytes(path):,} free)"
        cure = "what was complete before is untouched, free some space and run the same command again"
    elif code == errno.ELOOP:
        reason, cure = "it is a symbolic link, and nothing is written through one", UNLINK
    elif code in REFUSED:
        reason = _CLOSED.get(code, os.strerror(code).lower())
        cure = "choose a folder you can write to"
    else:
        reason = os.strerror(code).lower()
    refused = StorageError(f"cannot write {path} ({operation.replace('_', ' ')}): {reason}; {cure}")
    refused.errno = code
    return refused


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user may still write where ``path`` is or will be; 0 if that cannot be told."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return 0


def make_dir(path: Path) -> None:
    """Make ``path`` with its parents; an existing directory is fine. UserError where something else has its name."""
    require_free(path)
    with _storage_call("make_dir", path):
        path.mkdir(parents=True, exist_ok=True)
        _sync_dir(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a new file; a refused write leaves none. What bears the name already goes first: a link is removed, not
    followed. To replace a file, see ``replace_file``."""
    try:
        with _storage_call("write_file", path, len(content)) as tear:
            path.unlink(missing_ok=True)
            with open(path, "xb", opener=open_plain) as file:
                _write_all(file.fileno(), content, tear)
                os.fsync(file.fileno())
                _sync_dir(path.parent)
    except StorageError:
        with contextlib.suppress(StorageError):  # the refusal is what the caller must see
            remove(path)
        raise


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append each of ``lines`` with a newline (UTF-8). A refused append leaves the file as long as it was."""
    content = "".join(line + "\n" for line in lines).encode()
    new = not path.exists()
    size = 0 if new else path.stat().st_size
    try:
        with _storage_call("append_lines", path, len(content)) as tear, open(path, "ab", opener=open_plain) as file:
            _write_all(file.fileno(), content, tear)
            os.fsync(file.fileno())
            if new:
                _sync_dir(path.parent)
    except StorageError:
        with contextlib.suppress(StorageError):
            if path.exists() and path.stat().st_size > size:
                truncate(path, size)
        raise


def truncate(path: Path, nbytes: int) -> None:
    """Cut the file to ``nbytes``."""
    with _storage_call("truncate", path), open(path, "r+b", opener=open_plain) as file:
        file.truncate(nbytes)
        os.fsync(file.fileno())


def produce(folder: Path, writer: Callable[[Path], None]) -> None:
    """Let ``writer`` (such as a library's ``save_pretrained``) fill ``folder``; then make all of it durable.

    Files get the permissions that the umask grants, whatever the library chose. A writer that fails because the
    disk refused, by whatever exception it says so, ends in StorageError; its other exceptions pass unchanged.
    """
    with _storage_call("produce", folder) as tear:
        try:
            writer(folder)
        except Exception as error:  # the boundary to foreign writers, which hide errno in exceptions of their own
            raise _hidden_oserror(error) or error from error
        if tear:
            # What has a name elsewhere was whole before, and nothing was written to it.
            for path in [p for p in regular_files(folder) if p.stat().st_nlink == 1]:
                os.truncate(path, path.stat().st_size // 2)
        _sync_tree(folder)


def rename(source: Path, target: Path) -> None:
    """Give ``source`` the name ``target`` (same file system); replaces a file, never a directory with content."""
    with _storage_call("rename", target):
        source.rename(target)
        for parent in {source.parent, target.parent}:
            _sync_dir(parent)


def remove(path: Path) -> None:
    """Remove one file; a missing one is fine."""
    with _storage_call("remove", path):
        path.unlink(missing_ok=True)
        _sync_dir(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory with all it holds; never follows a symbolic link out of it, nor one in its place."""
    with _storage_call("remove_tree", path) as tear:
        if tear:
            files = regular_files(path)
            for file in files[: (len(files) + 1) // 2]:
                file.unlink()
            return
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path)
        _sync_dir(path.parent)


def write_json_atomic(path: Path, content: JsonObject) -> None:
    """Replace ``path`` by ``content`` as JSON with its check."""
    text, _ = sign(json.dumps(with_room(content), indent=2, ensure_ascii=True, allow_nan=False) + "\n")
    replace_file(path, text.encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, new or in place of an old one: readers see the old content or the new, never a part."""
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    write_file(beside, content)
    try:
        rename(beside, path)
    except StorageError:
        with contextlib.suppress(StorageError):
            remove(beside)
        raise


class LockHeldError(Exception):
    """Another process holds the lock; ``holder`` is what it wrote there (maybe nothing yet)."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


_held: set[int] = set()


def lock(path: Path, text: str) -> int:
    """Take the advisory lock ``path`` and write ``text`` into it; returns the descriptor for ``unlock``.

    The kernel drops the lock when the process dies, so a file left behind by a dead process is no obstacle.
    Forked children give their copy up at once: a worker that outlives a killed parent must not hold the run.
    """
    with contextlib.ExitStack() as undo:
        with _storage_call("lock", path, len(text)) as tear:
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockHeldError(os.pread(descriptor, 4096, 0).decode("utf-8", "replace")) from None
            os.ftruncate(descriptor, 0)
            _write_all(descriptor, text.encode(), tear)
        undo.pop_all()
    _held.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Give the lock back (twice is fine). The file stays: removing it would let two processes lock two files."""
    if descriptor in _held:
        _held.discard(descriptor)
        os.close(descriptor)


def _forget_locks() -> None:
    for descriptor in list(_held):
        unlock(descriptor)


os.register_at_fork(after_in_child=_forget_locks)


def _write_all(descriptor: int, content: bytes, tear: bool) -> None:
    rest = memoryview(content)[: len(content) // 2] if tear else memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _hidden_oserror(error: Exception) -> OSError | None:
    """The OSError inside a foreign exception: its own kind, its cause, or ``os error 28`` in a Rust library's text."""
    for candidate in (error, error.__cause__, error.__context__):
        if isinstance(candidate, OSError) and candidate.errno:
            return candidate
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def regular_files(folder: Path) -> list[Path]:
    """Every regular file below ``folder`` in sorted order; symbolic links, ``folder`` itself too, are not followed."""
    walked = () if folder.is_symlink() else os.walk(folder)
    found = [Path(top) / name for top, _, names in walked for name in names]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _sync_tree(folder: Path) -> None:
    """Permissions by umask (the folder itself was made under it), then fsync of every file and directory."""
    mode = folder.stat().st_mode & 0o666
    for path in regular_files(folder):
        path.chmod(mode)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for top, _, _ in os.walk(folder):
        _sync_dir(Path(top))


def _sync_dir(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
