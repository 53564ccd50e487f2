"""The run folder's promises: nothing complete is lost, nothing damaged is used, nobody's files are touched."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crash import WRITING, Reaper, Recorder, Refuser, calls_of, crash_points, in_child, survive_every_crash
from tersely.errors import RunError, StorageError, TerselyError, UserError
from tersely.models.folder import resolve_model
from tersely.runs import disk as storage
from tersely.runs import manifest
from tersely.runs.folder import (
    Checkpoint,
    RunFolder,
    is_run_folder,
    read_config,
    read_log,
    verify_checkpoint,
)

CONFIG = {"seed": 3, "train": {"alpha": 0.2, "steps": 8}}
STEPS = 8


@pytest.fixture
def fast_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: hundreds of runs fsync there for nothing."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = memory / f"tersely-test-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def toy_training(path: Path, steps: int = STEPS, every: int = 2) -> None:
    """A stand-in for training: noisy momentum descent whose every bit depends on all steps before."""
    with RunFolder.open(path, "toy", CONFIG) as run:
        if run.done:
            return
        checkpoint = run.latest()
        run.rewind(checkpoint)
        chance = np.random.default_rng(CONFIG["seed"])
        weights, momentum, start = np.ones(16), np.zeros(16), 0
        if checkpoint:
            weights, momentum = np.load(checkpoint.path / "weights.npy"), np.load(checkpoint.path / "momentum.npy")
            chance.bit_generator.state = checkpoint.state["rng"]
            start = checkpoint.step
        for step in range(start + 1, steps + 1):
            momentum = 0.9 * momentum + weights + chance.normal(size=16)
            weights = weights - 0.1 * momentum
            run.append("journal", [{"step": step, "norm": float(np.linalg.norm(weights))}])
            if step % 3 == 0:
                run.append("samples", [{"step": step, "text": "né \ud800"}, {"step": step, "text": "line\u2028two"}])
            if step % every == 0:
                run.save(step, lambda d: _save_arrays(d, weights, momentum), {"rng": chance.bit_generator.state})  # noqa: B023
        run.mark_done({"steps": steps})


def _save_arrays(folder: Path, weights: np.ndarray, momentum: np.ndarray) -> None:
    np.save(folder / "weights.npy", weights)
    np.save(folder / "momentum.npy", momentum)


def everything(path: Path) -> dict[str, bytes]:
    """Every file by name with its bytes, the text inside the lock (process id, time) apart."""
    files = [p for p in path.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


def made(path: Path, steps: tuple[int, ...] = (2, 4), size: int = 600) -> Path:
    """A run folder with checkpoints of those steps, each with its own bytes; returns the run folder."""
    with RunFolder.open(path, "toy", CONFIG, keep=max(2, len(steps))) as run:
        for step in steps:
            run.append("journal", [{"step": step}])
            run.save(step, bytes_writer(step, size), {"epoch": step})
    return path


def bytes_writer(step: int, size: int = 600) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        chance = random.Random(step)
        (folder / "model.safetensors").write_bytes(chance.randbytes(size))
        (folder / "optimizer.safetensors").write_bytes(chance.randbytes(size // 2))
        (folder / "config.json").write_text('{"model_type": "toy"}')

    return write


def reopened(path: Path) -> tuple[Checkpoint | None, list[str]]:
    with RunFolder.open(path, "toy", CONFIG) as run:
        return run.latest(), run.warnings


# ---- crashes


@pytest.mark.slow
def test_killed_at_every_storage_call_ends_bit_identical(fast_dir: Path) -> None:
    points = survive_every_crash(toy_training, fast_dir, everything)
    assert {p.moment for p in points} == {"before", "after", "torn"}
    assert {p.operation for p in points} >= {"produce", "write_file", "append_lines", "rename", "remove_tree", "lock"}
    assert len(points) > 100


@pytest.mark.slow
@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.long)])
def test_killed_again_during_recovery_ends_bit_identical(fast_dir: Path, stride: int) -> None:
    survive_every_crash(toy_training, fast_dir, everything, twice=True, stride=stride, seed=11)


@pytest.mark.slow
def test_killed_at_random_moments_ends_bit_identical(fast_dir: Path) -> None:
    """SIGKILL from outside, at moments the storage calls do not choose."""
    toy_training(fast_dir / "whole")
    chance = random.Random(5)
    kills = 0
    for _ in range(25):
        for attempt in itertools.count(1):
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    toy_training(fast_dir / "run")
                os._exit(0)
            time.sleep(chance.uniform(0.0, 0.01 * attempt))  # ever longer, so that a slow machine gets through
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if os.WIFEXITED(os.waitpid(pid, 0)[1]):
                break
            kills += 1
        assert everything(fast_dir / "run") == everything(fast_dir / "whole")
        shutil.rmtree(fast_dir / "run")
    assert kills > 10


@pytest.mark.slow
def test_replacing_a_checkpoint_of_the_same_step_never_leaves_none(fast_dir: Path) -> None:
    """Killed anywhere while step 2 is saved again with other content: a valid step 2 is there, old or new."""

    def replace(path: Path) -> None:
        with RunFolder.open(path, "toy", CONFIG) as run:
            run.save(2, bytes_writer(99), {"epoch": 99})

    made(fast_dir / "first", (2,))
    shutil.copytree(fast_dir / "first", fast_dir / "counted")
    calls = calls_of(replace, fast_dir / "counted")
    seen = set()
    for point in crash_points(calls):
        shutil.copytree(fast_dir / "first", fast_dir / "run")
        assert in_child(lambda: replace(fast_dir / "run"), Reaper(point.index, point.moment)) == signal.SIGKILL
        valid = [p for p in (fast_dir / "run" / "checkpoints").iterdir() if not verify_checkpoint(p)]
        assert any(p.name.startswith(("step-000002", "step-000002.old-")) and ".tmp-" not in p.name for p in valid)
        checkpoint, warnings = reopened(fast_dir / "run")
        assert checkpoint is not None
        assert warnings == []
        seen.add(checkpoint.state["epoch"])
        assert [p.name for p in (fast_dir / "run" / "checkpoints").iterdir()] == ["step-000002"]
        shutil.rmtree(fast_dir / "run")
    assert seen == {2, 99}


@pytest.mark.slow
def test_every_step_folder_is_whole_at_every_crash_of_a_save(fast_dir: Path) -> None:
    """Rotation included: what bears a checkpoint's name is one, for readers who hold no lock."""

    def save(path: Path) -> None:
        with RunFolder.open(path, "toy", CONFIG) as run:
            run.save(6, bytes_writer(6), {"epoch": 6})

    made(fast_dir / "first", (2, 4))
    shutil.copytree(fast_dir / "first", fast_dir / "counted")
    for point in crash_points(calls_of(save, fast_dir / "counted")):
        shutil.copytree(fast_dir / "first", fast_dir / "run")
        assert in_child(lambda: save(fast_dir / "run"), Reaper(point.index, point.moment)) == signal.SIGKILL
        steps = list((fast_dir / "run/checkpoints").glob("step-??????"))
        assert len(steps) >= 2, point
        assert [problem for step in steps for problem in verify_checkpoint(step)] == [], point
        shutil.rmtree(fast_dir / "run")


class RenameTrouble(Recorder):
    """Fails the second rename of a save, or spoils what the first one put in place."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def before(self, operation: str, path: Path) -> bool:
        super().before(operation, path)
        if self.how == "refuse" and [name for name, _ in self.calls].count("rename") == 2:
            self.how = "done"
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return False

    def after(self, operation: str, path: Path) -> None:
        if self.how == "spoil" and operation == "rename":
            self.how = "done"
            _flip(path / "model.safetensors", random.Random(3))


def test_a_refused_replacement_leaves_the_old_checkpoint_in_place(tmp_path: Path) -> None:
    run = made(tmp_path / "run", (2,))
    before = everything(run)
    with RunFolder.open(run, "toy", CONFIG) as folder, storage.observed_by(RenameTrouble("refuse")):
        with pytest.raises(StorageError, match="input/output error"):
            folder.save(2, bytes_writer(99), {"epoch": 99})
        assert everything(run) == before


def test_a_checkpoint_the_disk_spoiled_is_noticed_before_older_ones_go(tmp_path: Path) -> None:
    run = made(tmp_path / "run", (2, 4))
    with RunFolder.open(run, "toy", CONFIG) as folder, storage.observed_by(RenameTrouble("spoil")):
        with pytest.raises(StorageError, match="other bytes than were written"):
            folder.save(6, bytes_writer(6), {})
        names = sorted(p.name for p in (run / "checkpoints").iterdir())
        assert names == ["bad-step-000006", "step-000002", "step-000004"]


def test_saving_the_same_checkpoint_again_keeps_it(tmp_path: Path) -> None:
    made(tmp_path / "run", (2,))
    before = (tmp_path / "run/checkpoints/step-000002/model.safetensors").stat().st_ino
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run:
        run.save(2, bytes_writer(2), {"epoch": 2})
    assert (tmp_path / "run/checkpoints/step-000002/model.safetensors").stat().st_ino == before
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 1


def test_finished_work_is_recognised(tmp_path: Path) -> None:
    toy_training(tmp_path / "run", steps=2)
    before = everything(tmp_path / "run")
    toy_training(tmp_path / "run", steps=2)
    assert everything(tmp_path / "run") == before
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run:
        assert run.done == {"steps": 2}


# ---- full and failing disks


@pytest.mark.parametrize(
    ("code", "torn", "for_good"),
    [
        (errno.ENOSPC, True, True),
        (errno.EDQUOT, True, False),
        pytest.param(errno.ENOSPC, False, False, marks=pytest.mark.slow),
        pytest.param(errno.EIO, False, True, marks=pytest.mark.slow),
    ],
)
def test_every_refused_write_is_one_sentence_and_loses_nothing(
    fast_dir: Path, code: int, torn: bool, for_good: bool
) -> None:
    calls = calls_of(toy_training, fast_dir / "whole")
    writes = sum(operation in WRITING for operation, _ in calls)
    wanted = everything(fast_dir / "whole")
    for nth in range(writes):
        path = fast_dir / "run"
        with (
            storage.observed_by(Refuser(nth, code, torn=torn, for_good=for_good)),
            pytest.raises(StorageError) as caught,
        ):
            toy_training(path)
        assert caught.value.errno == code
        _assert_one_sentence(str(caught.value), path)
        _assert_nothing_half(path)
        toy_training(path)
        assert everything(path) == wanted, f"write {nth} refused"
        shutil.rmtree(path)


def _assert_one_sentence(message: str, path: Path) -> None:
    assert str(path) in message
    assert "\n" not in message
    assert "run the same command again" in message
    assert "free" in message or "input/output" in message


def _assert_nothing_half(path: Path) -> None:
    """No partial checkpoint is left, every checkpoint verifies, every log ends with a whole line."""
    left = sorted(path.glob("checkpoints/*"))
    assert [p.name for p in left if not manifest.STEP_NAME.fullmatch(p.name)] == []
    assert [problem for p in left for problem in verify_checkpoint(p)] == []
    assert all(p.read_bytes()[-1:] in (b"", b"\n") for p in path.glob("*.jsonl"))


SMALL_DISK = """
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[1] + '/../support')
import test_folder as t
from tersely.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[2])
if sys.argv[3] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    with t.RunFolder.open(path, "toy", t.CONFIG) as run:
        for step in range(2, 400, 2):
            run.save(step, t.bytes_writer(step, 200 * step), {})
except StorageError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def _small_disk(path: Path, how: str, *before: str) -> subprocess.CompletedProcess[str]:
    here = str(Path(__file__).parent)
    command = [*before, sys.executable, "-c", SMALL_DISK, here, str(path), how]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_a_file_size_limit_of_the_system_is_a_clear_error(tmp_path: Path) -> None:
    done = _small_disk(tmp_path / "run", "limit")
    assert done.returncode == 4, done.stderr
    _assert_one_sentence(done.stdout.strip(), tmp_path / "run")
    _assert_nothing_half(tmp_path / "run")
    checkpoint, warnings = reopened(tmp_path / "run")
    # Files grow by 200 bytes a step and 4096 is the limit: 20 * 200 = 4000 is the last that fits.
    assert checkpoint is not None
    assert (checkpoint.step, warnings) == (20, [])


@pytest.mark.slow
def test_a_really_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    """A tmpfs of 400 kB in a private mount namespace."""
    mount = f"mount -t tmpfs -o size=400k none {tmp_path}"
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("this machine grants no private mounts")
    keep = f'{mount} && "$@"; code=$?; cd {tmp_path} && find . -name "*.tmp-*"; ls run/checkpoints; exit $code'
    done = _small_disk(tmp_path / "run", "mount", "unshare", "-rm", "sh", "-c", keep, "sh")
    assert done.returncode == 4, done.stderr
    message, *names = done.stdout.strip().split("\n")
    _assert_one_sentence(message, tmp_path / "run")
    assert len(names) == 2
    assert all(manifest.STEP_NAME.fullmatch(name) for name in names), names


def test_no_room_for_the_next_checkpoint_is_said_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "run", (2,))
    size = sum(p.stat().st_size for p in (tmp_path / "run/checkpoints/step-000002").iterdir())
    needed = int(size * 1.2)
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run:
        monkeypatch.setattr(storage, "free_bytes", lambda path: needed - 1)
        with pytest.raises(StorageError, match=f"{needed:,} bytes needed, {needed - 1:,} free"):
            run.save(4, bytes_writer(4), {})
        monkeypatch.setattr(storage, "free_bytes", lambda path: needed)
        run.save(4, bytes_writer(4), {})


def test_the_first_checkpoint_asks_for_the_room_it_was_told(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run, pytest.raises(StorageError, match="not enough room"):
        run.save(2, bytes_writer(2), {}, expect_bytes=10**18)


# ---- damage


def _flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(content))


@pytest.mark.slow
def test_every_flipped_bit_is_detected(fast_dir: Path) -> None:
    """1000 random flips over all files of a checkpoint, MANIFEST.json and state.json included."""
    folder = made(fast_dir / "run") / "checkpoints/step-000004"
    chance = random.Random(1)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for _ in range(200):
            _flip(path, chance)
            assert verify_checkpoint(folder), path
            path.write_bytes(whole)
    assert verify_checkpoint(folder) == []


def test_every_truncation_is_detected(fast_dir: Path) -> None:
    folder = made(fast_dir / "run") / "checkpoints/step-000004"
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert verify_checkpoint(folder), (path, length)
        path.write_bytes(whole + b"\0")
        assert verify_checkpoint(folder), path
        path.write_bytes(whole)
    assert verify_checkpoint(folder) == []


def _swap_in(name: str) -> Callable[[Path, Path], None]:
    return lambda newest, older: shutil.copy(older / name, newest / name) and None


def _whole_swap(newest: Path, older: Path) -> None:
    shutil.rmtree(newest)
    shutil.copytree(older, newest)


def _link_out(newest: Path, older: Path) -> None:
    (newest / "model.safetensors").rename(newest.parent.parent / "elsewhere")
    (newest / "model.safetensors").symlink_to(newest.parent.parent / "elsewhere")


def _link_manifest(newest: Path, older: Path) -> None:
    (newest / "MANIFEST.json").rename(newest.parent.parent / "elsewhere")
    (newest / "MANIFEST.json").symlink_to(newest.parent.parent / "elsewhere")


def _link_folder(newest: Path, older: Path) -> None:
    newest.rename(newest.parent.parent / "elsewhere")
    newest.symlink_to(newest.parent.parent / "elsewhere")


def _folder_for_file(newest: Path, older: Path) -> None:
    (newest / "model.safetensors").unlink()
    (newest / "model.safetensors").mkdir()


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "weights of another step": _swap_in("model.safetensors"),
    "state of another step": _swap_in("state.json"),
    "manifest of another step": _swap_in("MANIFEST.json"),
    "everything of another step": _whole_swap,
    "missing weights": lambda newest, older: (newest / "model.safetensors").unlink(),
    "missing state": lambda newest, older: (newest / "state.json").unlink(),
    "missing manifest": lambda newest, older: (newest / "MANIFEST.json").unlink(),
    "extra file": lambda newest, older: (newest / "adapter_config.json").write_text("{}"),
    "extra file deeper": lambda newest, older: ((newest / "sub").mkdir(), (newest / "sub/x").write_text("")),
    "extra link": lambda newest, older: (newest / "more").symlink_to("/etc"),
    "link out": _link_out,
    "manifest linked": _link_manifest,
    "folder linked": _link_folder,
    "folder for a file": _folder_for_file,
    "empty folder": lambda newest, older: [p.unlink() for p in newest.iterdir()],
    "manifest of something else": lambda newest, older: (newest / "MANIFEST.json").write_text(
        '{"sha256": 1, "files": 3}'
    ),
    "manifest too deep": lambda newest, older: (newest / "MANIFEST.json").write_text("[" * 100_000),
    "header of 2^63 bytes": lambda newest, older: (newest / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x7f"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_checkpoint_is_set_aside_and_the_older_one_taken(
    tmp_path: Path, damage: Callable[[Path, Path], object]
) -> None:
    run = made(tmp_path / "run")
    newest, older = (run / "checkpoints" / f"step-{step:06d}" for step in (4, 2))
    damage(newest, older)
    assert verify_checkpoint(newest)
    checkpoint, warnings = reopened(run)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.state) == (2, {"epoch": 2})
    assert len(warnings) == 1
    assert "bad-step-000004" in warnings[0]
    assert not os.path.lexists(newest)
    assert os.path.lexists(run / "checkpoints/bad-step-000004"), "set aside, not deleted"


def test_the_warning_names_the_file_and_both_hashes(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    weights = run / "checkpoints/step-000004/model.safetensors"
    written = manifest.hash_file(weights)
    _flip(weights, random.Random(2))
    found = manifest.hash_file(weights)
    _, warnings = reopened(run)
    assert str(weights) in warnings[0]
    assert written in warnings[0]
    assert found in warnings[0]


def test_all_damaged_means_none_and_a_fresh_start(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    for step in (2, 4):
        (run / f"checkpoints/step-{step:06d}/model.safetensors").write_bytes(b"")
    checkpoint, warnings = reopened(run)
    assert checkpoint is None
    assert len(warnings) == 2
    toy_training(run)
    assert len(list((run / "checkpoints").glob("bad-*"))) == 2


def test_a_second_bad_checkpoint_of_a_step_gets_its_own_name(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for _ in range(2):
        made(run, (2,))
        (run / "checkpoints/step-000002/model.safetensors").write_bytes(b"")
        reopened(run)
    names = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert names == ["bad-step-000002", "bad-step-000002-2"]


def test_a_damaged_checkpoint_is_not_counted_when_older_ones_are_rotated_out(tmp_path: Path) -> None:
    run = made(tmp_path / "run", (2, 4))
    (run / "checkpoints/step-000004/model.safetensors").write_bytes(b"")
    with RunFolder.open(run, "toy", CONFIG) as folder:
        folder.save(6, bytes_writer(6), {})
    left = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert left == ["bad-step-000004", "step-000002", "step-000006"]


def test_a_hidden_file_of_the_system_does_no_harm(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    (run / "checkpoints/step-000004/.DS_Store").write_bytes(b"\0")
    assert verify_checkpoint(run / "checkpoints/step-000004") == []


# ---- rotation, rewinding


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    toy_training(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == ["step-000006", "step-000008"]


def test_fewer_than_two_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 2"):
        RunFolder.open(tmp_path / "run", "toy", CONFIG, keep=1)
    assert not (tmp_path / "run").exists()


def test_rewinding_cuts_our_logs_and_leaves_other_files_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made(run, (2,))
    (run / "mine.jsonl").write_text('{"precious": 1}\n')
    (run / "checkpoints/notes.tmp-12").mkdir()
    (run / "notes.tmp-12").write_text("mine")
    with RunFolder.open(run, "toy", CONFIG) as folder:
        checkpoint = folder.latest()
        folder.append("journal", [{"step": 3}])
        folder.append("clock", [{"step": 3}])
        folder.rewind(checkpoint)
        assert read_log(run / "journal.jsonl") == [{"step": 2}]
        folder.rewind(None)
    assert (run / "journal.jsonl").read_bytes() == b""
    assert (run / "clock.jsonl").read_bytes() == b""
    assert (run / "mine.jsonl").read_text() == '{"precious": 1}\n'
    assert (run / "notes.tmp-12").exists()
    assert (run / "checkpoints/notes.tmp-12").exists()


def test_rewinding_past_a_checkpoint_sets_it_aside_first(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    with RunFolder.open(run, "toy", CONFIG) as folder:
        newest = folder.latest()
        assert newest is not None
        with pytest.raises(ValueError, match="newer"):
            folder.save(2, bytes_writer(2), {})
        folder.rewind(None)
        assert folder.latest() is None
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["aside-step-000002", "aside-step-000004"]


def test_a_log_that_lost_lines_is_an_error(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    storage.truncate(run / "journal.jsonl", 3)
    with RunFolder.open(run, "toy", CONFIG) as folder, pytest.raises(StorageError, match=r"journal\.jsonl has 3 bytes"):
        folder.rewind(folder.latest())


def test_a_torn_last_line_is_never_glued_onto(tmp_path: Path) -> None:
    run = made(tmp_path / "run", (2,))
    with (run / "journal.jsonl").open("ab") as file:
        file.write(b'{"step": 3, "te')
    with RunFolder.open(run, "toy", CONFIG) as folder:
        folder.append("journal", [{"step": 4}])
        assert "torn" in folder.warnings[0]
    assert read_log(run / "journal.jsonl") == [{"step": 2}, {"step": 4}]


# ---- logs


def test_records_come_back_as_they_went_in(tmp_path: Path) -> None:
    hostile = [
        {"z": 1, "a": "\ud800 \udfff"},
        {"t": "a\nb\r\u2028\u2029\x85\x00\x1b[31m</script>"},
        {"big": 2**70, "tiny": 5e-324, "third": 1 / 3, "none": None, "yes": True, "é": [[], {}]},
        {},
    ]
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run:
        run.append("journal", hostile)
        run.append("journal", [])
    found = read_log(tmp_path / "run/journal.jsonl")
    assert found == hostile
    assert list(found[0]) == ["z", "a"]
    assert (tmp_path / "run/journal.jsonl").read_bytes().decode("utf-8").count("\n") == len(hostile)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_json_has_not_is_refused_by_name_and_nothing_written(tmp_path: Path, bad: float) -> None:
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run, pytest.raises(RunError, match=r"loss\.parts\[1\]"):
        run.append("journal", [{"ok": 1}, {"loss": {"parts": [0.0, bad]}}])
    assert not (tmp_path / "run/journal.jsonl").exists()


@pytest.mark.parametrize("name", ["../x", "", "a/b", "a.b", "-x", "x" * 64])
def test_a_log_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run, pytest.raises(ValueError, match="no name for a log"):
        run.append(name, [{}])


def test_reading_a_damaged_log_names_the_line(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(StorageError, match=r"line 2: not JSON .*; restore the file from a copy"):
        read_log(log)
    log.write_bytes(b'{"a": 1}\n[2]\n')
    with pytest.raises(StorageError, match="line 2: a JSON object"):
        read_log(log)
    log.write_bytes(b'{"a": 1}\n{"a": 2}')
    with pytest.raises(UserError, match="line 2: torn"):
        read_log(log)
    assert read_log(log, allow_torn=True) == [{"a": 1}]
    with pytest.raises(UserError, match="cannot be read: no such file"):
        read_log(tmp_path / "none.jsonl")


def test_the_last_whole_line_is_found_behind_a_long_torn_one(tmp_path: Path) -> None:
    run = made(tmp_path / "run", (2,))
    with (run / "journal.jsonl").open("ab") as file:
        file.write(b"x" * 200_000)
    with RunFolder.open(run, "toy", CONFIG) as folder:
        folder.append("journal", [{"step": 4}])
    assert read_log(run / "journal.jsonl") == [{"step": 2}, {"step": 4}]


# ---- whose folder it is


def refusal_of(path: Path, kind: str = "toy", config: dict[str, Any] | None = None) -> str:
    """The message with which ``open`` refuses; nothing may have been written."""
    before = everything(path) if os.path.isdir(path) else None
    with pytest.raises(UserError) as caught:
        RunFolder.open(path, kind, CONFIG if config is None else config)
    assert (everything(path) if os.path.isdir(path) else None) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_configuration_is_refused_with_every_difference(tmp_path: Path) -> None:
    made(tmp_path / "run", (2,))
    other = {"seed": True, "train": {"alpha": 0.4, "penalty": "sigmoid"}}
    message = refusal_of(tmp_path / "run", config=other)
    assert "seed was 3, is now true" in message
    assert "train.alpha was 0.2, is now 0.4" in message
    assert "train.steps was 8, is now absent" in message
    assert 'train.penalty was absent, is now "sigmoid"' in message


def test_the_same_configuration_is_the_same_as_json(tmp_path: Path) -> None:
    for config in ({"a": (1, 2), "b": {"x": 1, "y": None}}, {"b": {"y": None, "x": 1.0}, "a": [1, 2]}):
        with RunFolder.open(tmp_path / "run", "toy", config) as run:
            run.mark_done({})
    assert read_config(tmp_path / "run") == {"a": [1, 2], "b": {"x": 1, "y": None}}
    assert "b.x was 1, is now true" in refusal_of(tmp_path / "run", config={"a": [1, 2], "b": {"x": True, "y": None}})
    assert "b.y was null, is now absent" in refusal_of(tmp_path / "run", config={"a": [1, 2], "b": {"x": 1}})
    assert "a was [1, 2], is now [2, 1]" in refusal_of(tmp_path / "run", config={"a": [2, 1], "b": {"x": 1, "y": None}})


def test_another_kind_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "run", (2,))
    assert "holds a 'toy' run, not a 'train' one" in refusal_of(tmp_path / "run", kind="train")


@pytest.mark.parametrize("name", ["notes.txt", "config.json", ".git", "checkpoints"])
def test_a_foreign_folder_is_refused(tmp_path: Path, name: str) -> None:
    """config.json is what a model folder has too."""
    (tmp_path / name).write_text('{"model_type": "qwen2"}')
    assert f"not empty and is no run folder (it holds {name})" in refusal_of(tmp_path)
    assert not is_run_folder(tmp_path)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refusal_of(tmp_path / "file")
    assert "file is a file, not a folder" in refusal_of(tmp_path / "file" / "run")
    assert "too long" in refusal_of(tmp_path / ("x" * 300))


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, "toy", CONFIG).close()
    assert is_run_folder(tmp_path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_an_unwritable_place_is_a_user_error(tmp_path: Path, code: int) -> None:
    with storage.observed_by(Refuser(0, code)):
        message = refusal_of(tmp_path / "run")
    assert str(tmp_path / "run") in message
    assert "choose a folder you can write to" in message


# ---- the lock

HOLDER = """
import sys
from pathlib import Path
import os
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[1] + '/../support')
import test_folder as t
with t.RunFolder.open(Path(sys.argv[2]), "toy", t.CONFIG) as run:
    worker = os.fork()
    if worker == 0:
        import time
        print(os.getpid(), flush=True)  # now it has let go of what it was born with
        time.sleep(60)
        os._exit(0)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_by_name_and_a_dead_one_is_no_obstacle(tmp_path: Path) -> None:
    """The holder has a forked worker that outlives it: the worker must not keep the run locked."""
    command = [sys.executable, "-c", HOLDER, str(Path(__file__).parent), str(tmp_path / "run")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = 0
    try:
        assert holder.stdout is not None
        worker = int(holder.stdout.readline())
        message = refusal_of(tmp_path / "run")
        assert f"in use by process {holder.pid} on {os.uname().nodename}, started 20" in message
        holder.kill()
        holder.wait()
        os.kill(worker, 0)  # still there
        RunFolder.open(tmp_path / "run", "toy", CONFIG).close()
    finally:
        holder.kill()
        if worker:
            os.kill(worker, signal.SIGKILL)
        holder.communicate()


def test_the_lock_ends_with_the_block_and_with_a_failed_open(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunFolder.open(path, "toy", CONFIG) as run:
        assert f"in use by process {os.getpid()}" in refusal_of(path)
    with pytest.raises(ValueError, match="closed"):
        run.append("journal", [{}])
    with storage.observed_by(Refuser(2)), pytest.raises(TerselyError):
        RunFolder.open(tmp_path / "other", "toy", CONFIG)
    for place in (path, tmp_path / "other"):
        RunFolder.open(place, "toy", CONFIG).close()


def test_a_lock_file_of_nonsense_is_no_obstacle(tmp_path: Path) -> None:
    made(tmp_path / "run", (2,))
    (tmp_path / "run/.lock").write_bytes(b'{"pid": \xff')
    RunFolder.open(tmp_path / "run", "toy", CONFIG).close()


# ---- what a person names as a model


def safetensors_bytes(data: bytes = b"\0" * 8) -> bytes:
    """The smallest file of the format: header length (little endian), header, data."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [0, len(data)]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def model_files(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    (folder / "model.safetensors").write_bytes(safetensors_bytes())
    (folder / "tokenizer.json").write_text("{}")


def test_a_model_folder_is_itself(tmp_path: Path) -> None:
    model_files(tmp_path / "model")
    assert resolve_model(tmp_path / "model") == tmp_path / "model"


def test_a_run_is_its_newest_checkpoint_even_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunFolder.open(path, "toy", CONFIG) as run:
        with pytest.raises(UserError, match="no checkpoint yet"):
            resolve_model(path)
        for step in (2, 4):
            run.save(step, model_files, {})
        assert resolve_model(path) == path / "checkpoints/step-000004"
        assert resolve_model(path / "checkpoints/step-000002") == path / "checkpoints/step-000002"
        _flip(path / "checkpoints/step-000004/model.safetensors", random.Random(0))
        with pytest.raises(UserError, match=r"newest checkpoint .* is damaged .*SHA-256.* an older one, .*step-000002"):
            resolve_model(path)
        assert (path / "checkpoints/step-000004").exists(), "reading renames nothing"
        with pytest.raises(UserError, match=r"damaged: .*model\.safetensors has SHA-256"):
            resolve_model(path / "checkpoints/step-000004")
        shutil.rmtree(path / "checkpoints/step-000002")
        with pytest.raises(UserError, match=r"no checkpoint of .* is whole"):
            resolve_model(path)


def _only(*names: str) -> Callable[[Path], None]:
    def keep(folder: Path) -> None:
        for path in folder.iterdir():
            if path.name not in names:
                path.unlink()

    return keep


def _only_bin(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _index(shard: str) -> Callable[[Path], None]:
    content = json.dumps({"weight_map": {"a": "model.safetensors", "b": shard}})
    return lambda folder: (folder / "model.safetensors.index.json").write_text(content) and None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_only(), "is empty"),
        (_only("model.safetensors"), "no config.json"),
        (_only("config.json", "tokenizer.json"), "no weights"),
        (_only_bin, "pytorch_model.bin.*safetensors is needed"),
        (_only("config.json", "model.safetensors"), "no tokenizer"),
        (_index("model-2.safetensors"), "lacks 1 weight file.*model-2.safetensors"),
        (lambda f: (f / "model.safetensors.index.json").write_text("[]"), "index.json is damaged"),
        (
            lambda f: (f / "model.safetensors").write_bytes(safetensors_bytes()[:-1]),
            "damaged: 76 bytes found, 77 expected",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "too few for its header"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x7f" + b"{}"), "too few for its header"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\2" + b"\0" * 7 + b"[]"), "header cannot be read"),
    ],
)
def test_what_is_no_model_is_refused_in_one_sentence(tmp_path: Path, spoil: Any, message: str) -> None:
    model_files(tmp_path / "model")
    spoil(tmp_path / "model")
    with pytest.raises(UserError, match=message) as caught:
        resolve_model(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no model at"):
        resolve_model(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        resolve_model(tmp_path / "file")
