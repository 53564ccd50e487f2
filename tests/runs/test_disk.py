"""Storage calls: durable when they return, whole or told so when they are refused, visible to an observer."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from crash import Reaper, Recorder, Refuser, calls_of, crash_points, in_child
from run_files import content_of
from tersely.errors import StorageError
from tersely.runs import disk


def inode(path: Path) -> int:
    return path.stat().st_ino


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Inodes of the files and directories fsynced so far."""
    found: set[int] = set()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found.add(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_what_is_written_and_its_directory_entry_are_fsynced(tmp_path: Path, synced: set[int]) -> None:
    disk.make_dir(tmp_path / "d")
    assert inode(tmp_path) in synced
    synced.clear()
    disk.write_file(tmp_path / "d/a", b"1")
    assert synced == {inode(tmp_path / "d/a"), inode(tmp_path / "d")}
    synced.clear()
    disk.append_lines(tmp_path / "d/log", ["x"])
    assert synced == {inode(tmp_path / "d/log"), inode(tmp_path / "d")}
    synced.clear()
    disk.append_lines(tmp_path / "d/log", ["y"])
    assert synced == {inode(tmp_path / "d/log")}
    synced.clear()
    disk.truncate(tmp_path / "d/log", 2)
    assert synced == {inode(tmp_path / "d/log")}
    synced.clear()
    disk.rename(tmp_path / "d/a", tmp_path / "b")
    assert synced == {inode(tmp_path / "d"), inode(tmp_path)}
    synced.clear()
    disk.remove(tmp_path / "b")
    assert synced == {inode(tmp_path)}


def test_all_that_a_library_produced_is_fsynced_with_permissions_by_umask(tmp_path: Path, synced: set[int]) -> None:
    def writer(folder: Path) -> None:
        (folder / "sub").mkdir()
        for name in ("a", "sub/b"):
            (folder / name).write_bytes(b"x")
            (folder / name).chmod(0o600)

    before = os.umask(0o027)
    try:
        disk.make_dir(tmp_path / "d")
        disk.produce(tmp_path / "d", writer)
    finally:
        os.umask(before)
    places = [tmp_path / "d" / name for name in ("", "a", "sub", "sub/b")]
    assert synced >= {inode(place) for place in places}
    assert oct((tmp_path / "d/a").stat().st_mode & 0o777) == oct(0o640)
    assert oct((tmp_path / "d/sub/b").stat().st_mode & 0o777) == oct(0o640)


def test_calls_do_what_they_say(tmp_path: Path) -> None:
    log = tmp_path / "log"
    disk.append_lines(log, ["é", ""])
    disk.append_lines(log, ["z"])
    assert log.read_bytes() == "é\n\nz\n".encode()
    disk.truncate(log, 4)
    assert log.read_bytes() == "é\n\n".encode()
    disk.remove(log)
    disk.remove(log)
    assert not log.exists()
    disk.make_dir(tmp_path / "a/b/c")
    disk.make_dir(tmp_path / "a/b/c")
    disk.write_json_atomic(tmp_path / "a/x.json", {"k": "\ud800"})
    disk.write_json_atomic(tmp_path / "a/x.json", {"k": [1, None]})
    assert content_of(tmp_path / "a/x.json") == {"k": [1, None]}
    disk.remove_tree(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_removing_a_tree_never_follows_a_link_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "mine")
    disk.remove_tree(tmp_path / "tree")
    assert (tmp_path / "mine/precious").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_path_needed_and_free_bytes(tmp_path: Path, code: int) -> None:
    with disk.observed_by(Refuser(0, code)), pytest.raises(StorageError) as caught:
        disk.write_file(tmp_path / "file", b"x" * 12345)
    message = str(caught.value)
    assert str(tmp_path / "file") in message
    assert "12,345 bytes needed, " in message
    free = int(message.split(" needed, ")[1].split(" free")[0].replace(",", ""))
    assert free == pytest.approx(disk.free_bytes(tmp_path), rel=0.2)
    assert "free some space and run the same command again" in message
    assert (caught.value.errno, caught.value.exit_code) == (code, 4)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EROFS, "read-only file system; choose a folder you can write to"),
        (errno.EACCES, "permission denied; choose a folder you can write to"),
        (errno.EIO, "input/output error; what was complete before is untouched"),
    ],
)
def test_other_refusals_say_their_reason_and_cure(tmp_path: Path, code: int, reason: str) -> None:
    with disk.observed_by(Refuser(0, code)), pytest.raises(StorageError) as caught:
        disk.make_dir(tmp_path / "d")
    assert reason in str(caught.value)
    assert str(tmp_path / "d") in str(caught.value)


@pytest.mark.parametrize("torn", [False, True])
def test_a_refused_write_leaves_no_partial_file(tmp_path: Path, torn: bool) -> None:
    with disk.observed_by(Refuser(0, torn=torn)), pytest.raises(StorageError):
        disk.write_file(tmp_path / "file", b"x" * 100)
    assert list(tmp_path.iterdir()) == []
    disk.write_json_atomic(tmp_path / "file", {"old": 1})
    with disk.observed_by(Refuser(0, torn=torn)), pytest.raises(StorageError):
        disk.write_json_atomic(tmp_path / "file", {"new": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert content_of(tmp_path / "file") == {"old": 1}


@pytest.mark.parametrize("torn", [False, True])
def test_a_refused_append_leaves_the_log_as_it_was(tmp_path: Path, torn: bool) -> None:
    log = tmp_path / "log"
    disk.append_lines(log, ["whole"])
    with disk.observed_by(Refuser(0, torn=torn)), pytest.raises(StorageError):
        disk.append_lines(log, ["a long line that will be torn"])
    assert log.read_bytes() == b"whole\n"


@pytest.mark.slow
def test_an_atomic_write_is_the_old_or_the_new_at_every_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.json"

    def replace(_: Path) -> None:
        disk.write_json_atomic(path, {"new": 2})

    found = set()
    for point in crash_points(calls_of(replace, tmp_path / "x")):
        disk.write_json_atomic(path, {"old": 1})
        assert in_child(lambda: replace(path), Reaper(point.index, point.moment)) == signal.SIGKILL
        found |= set(content_of(path))
    assert found == {"old", "new"}


def _raise(error: Exception) -> Callable[[Path], None]:
    def writer(folder: Path) -> None:
        raise error

    return writer


class ForeignError(Exception):
    pass


def _wrapped(folder: Path) -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        raise ForeignError("unexpected pos 576 vs 534") from error


@pytest.mark.parametrize(
    "writer",
    [
        _raise(OSError(errno.ENOSPC, "No space left on device")),
        _raise(ForeignError("I/O error: No space left on device (os error 28)")),
        _wrapped,
    ],
)
def test_a_full_disk_is_recognised_behind_a_library(tmp_path: Path, writer: Callable[[Path], None]) -> None:
    with pytest.raises(StorageError, match="the disk is full") as caught:
        disk.produce(tmp_path, writer)
    assert caught.value.errno == errno.ENOSPC


def test_other_mistakes_of_a_library_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match="a bug"):
        disk.produce(tmp_path, _raise(ForeignError("a bug")))


def test_the_observer_sees_every_call_and_goes_with_its_block(tmp_path: Path) -> None:
    recorder = Recorder()
    with disk.observed_by(recorder):
        disk.make_dir(tmp_path / "d")
        with pytest.raises(KeyError), disk.observed_by(Recorder()):
            raise KeyError
        disk.write_json_atomic(tmp_path / "d/x", {"a": 1})
    disk.remove(tmp_path / "d/x")
    assert [operation for operation, _ in recorder.calls] == ["make_dir", "write_file", "rename"]


class Tearer(Recorder):
    def before(self, operation: str, path: Path) -> bool:
        return True


def test_a_torn_call_may_not_go_on(tmp_path: Path) -> None:
    """An observer that asks for a torn write and forgets to crash is a mistake of the test, said at once."""
    with disk.observed_by(Tearer()), pytest.raises(RuntimeError, match="torn write_file"):
        disk.write_file(tmp_path / "file", b"x" * 10)
    assert (tmp_path / "file").read_bytes() == b"x" * 5


def test_torn_means_half(tmp_path: Path) -> None:
    def writer(folder: Path) -> None:
        (folder / "a").write_bytes(b"x" * 10)

    (tmp_path / "p").mkdir()
    (tmp_path / "gone").mkdir()
    for name in "abcd":
        (tmp_path / "gone" / name).write_text("x")
    with disk.observed_by(Tearer()):
        for call in (
            lambda: disk.produce(tmp_path / "p", writer),
            lambda: disk.append_lines(tmp_path / "log", ["123456789"]),
            lambda: disk.remove_tree(tmp_path / "gone"),
        ):
            with pytest.raises(RuntimeError):
                call()
    assert (tmp_path / "p/a").read_bytes() == b"x" * 5
    assert (tmp_path / "log").read_bytes() == b"12345"
    assert sorted(p.name for p in (tmp_path / "gone").iterdir()) == ["c", "d"]


def test_free_bytes_of_a_place_that_is_not_there_yet(tmp_path: Path) -> None:
    assert disk.free_bytes(tmp_path / "a/b/c") == pytest.approx(disk.free_bytes(tmp_path), rel=0.1)
    assert disk.free_bytes(tmp_path) > 0


def test_a_lock_is_held_once_and_freed(tmp_path: Path) -> None:
    first = disk.lock(tmp_path / "l", "me")
    with pytest.raises(disk.LockHeldError) as caught:
        disk.lock(tmp_path / "l", "other")
    assert caught.value.holder == "me"
    disk.unlock(first)
    disk.unlock(first)
    disk.unlock(disk.lock(tmp_path / "l", "x"))
    assert (tmp_path / "l").read_text() == "x"


def test_a_refused_lock_is_not_held(tmp_path: Path) -> None:
    with disk.observed_by(Refuser(0, torn=True)), pytest.raises(StorageError):
        disk.lock(tmp_path / "l", "text")
    disk.unlock(disk.lock(tmp_path / "l", "text"))
