"""What stays of a checkpoint that made room for a newer one: its weights, sealed, and nothing that a resume needs."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from crash import survive_every_crash
from tersely.runs.folder import RunFolder
from tersely.runs.manifest import CARD, WEIGHTS, model_folders, read_manifest, step_folders, verify_checkpoint

CONFIG = {"seed": 3}
STEPS = (1, 2, 3, 4, 5)


def writer(step: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        chance = random.Random(step)
        (folder / "model.safetensors").write_bytes(chance.randbytes(600))
        (folder / "config.json").write_text("{}")
        for place in ("training", "adapter"):
            (folder / place).mkdir()
            (folder / place / f"{place}.safetensors").write_bytes(chance.randbytes(300))

    return write


def work(path: Path, steps: tuple[int, ...] = STEPS) -> None:
    """A run of these steps; begun before, it goes on."""
    with RunFolder.open(path, "toy", CONFIG, keep_weights=True) as run:
        if run.done:
            return
        newest = run.latest()
        run.rewind(newest)
        for step in steps:
            if newest is None or step > newest.step:
                run.append("journal", [{"step": step}])
                run.save(step, writer(step), {"epoch": step})
        run.mark_done({"steps": steps[-1]})


def files(path: Path) -> dict[str, bytes]:
    found = [p for p in path.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(path)): p.read_bytes() for p in found}


def test_weights_of_older_checkpoints_stay_and_nothing_that_a_resume_needs(tmp_path: Path) -> None:
    work(tmp_path / "run")
    assert [step for step, _ in step_folders(tmp_path / "run")] == [5, 4]
    assert [step for step, _ in model_folders(tmp_path / "run")] == [5, 4, 3, 2, 1]
    for step, folder in model_folders(tmp_path / "run"):
        assert verify_checkpoint(folder) == []
        assert (folder / "model.safetensors").read_bytes() == random.Random(step).randbytes(600)
        assert (folder / "training").exists() == (step > 3)
    manifest = read_manifest(tmp_path / "run" / WEIGHTS / "step-000002")
    assert manifest is not None
    names = [entry["name"] for entry in manifest["files"]]
    assert names == ["adapter/adapter.safetensors", "config.json", "model.safetensors", "state.json"]


def test_without_being_asked_a_run_keeps_none(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", "toy", CONFIG) as run:
        for step in STEPS:
            run.save(step, writer(step), {})
    assert model_folders(tmp_path / "run") == step_folders(tmp_path / "run")
    assert not (tmp_path / "run" / WEIGHTS).exists()


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [True, pytest.param(False, marks=pytest.mark.long)])
def test_killed_at_any_storage_call_a_run_ends_with_the_same_weights(tmp_path: Path, kinds: bool) -> None:
    points = survive_every_crash(lambda path: work(path, (1, 2, 3, 4)), tmp_path, files, kinds=kinds)
    assert any(WEIGHTS in str(point) for point in points)


def test_where_files_have_one_name_only_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work(tmp_path / "linked")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    work(tmp_path / "copied")
    assert files(tmp_path / "copied") == files(tmp_path / "linked")


def test_a_damaged_checkpoint_leaves_no_weights(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", "toy", CONFIG, keep_weights=True) as run:
        for step in (1, 2):
            run.save(step, writer(step), {})
    with (tmp_path / "run/checkpoints/step-000001/model.safetensors").open("r+b") as file:
        file.write(b"flipped")
    with RunFolder.open(tmp_path / "run", "toy", CONFIG, keep_weights=True) as run:
        run.latest()
        run.save(3, writer(3), {})
    assert [step for step, _ in model_folders(tmp_path / "run")] == [3, 2]


def test_work_that_goes_back_sets_later_weights_aside(tmp_path: Path) -> None:
    work(tmp_path / "run")
    for _, folder in step_folders(tmp_path / "run"):
        (folder / "MANIFEST.json").unlink()
    with RunFolder.open(tmp_path / "run", "toy", CONFIG, keep_weights=True) as run:
        # Weights are nothing to go on from: both whole checkpoints are damaged, so it begins anew.
        assert run.latest() is None
        run.rewind(None)
    assert model_folders(tmp_path / "run") == []
    assert sorted(p.name for p in (tmp_path / "run" / WEIGHTS).iterdir()) == [f"aside-step-00000{n}" for n in (1, 2, 3)]


def test_a_file_in_place_of_the_weights_is_refused(tmp_path: Path) -> None:
    work(tmp_path / "run", (1, 2))
    (tmp_path / "run" / WEIGHTS).write_text("mine")
    with pytest.raises(Exception, match="weights is no folder: remove it"):
        work(tmp_path / "run")


def test_a_card_written_before_the_weights_moved_may_be_written_anew(tmp_path: Path) -> None:
    work(tmp_path / "run", (1, 2))
    (tmp_path / "run/checkpoints/step-000001" / CARD).write_text("published")
    with RunFolder.open(tmp_path / "run", "toy", CONFIG, keep_weights=True) as run:
        run.latest()
        run.save(3, writer(3), {})
    moved = tmp_path / "run" / WEIGHTS / "step-000001"
    assert (moved / CARD).read_text() == "published"
    (moved / CARD).write_text("published again, with a licence")
    assert verify_checkpoint(moved) == []
