"""A base is known by its weights: it may have been moved, renamed or copied since the runs began with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import fake_runs
from tersely.evaluation.runs import base_of, read_run
from tersely.models.digest import recorded_digest, weights_digest
from tersely.runs.manifest import seal

WEIGHTS = "ab" * 32


def edit(path: Path, change: dict[str, object], *keys: str) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    inner = content
    for key in keys:
        inner = inner[key]
    inner.update(change)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def family(tmp_path: Path) -> tuple[Path, Path]:
    """(base, run that began with its weights)."""
    base, (run,) = fake_runs.make_family(tmp_path, alphas=(0.1,), steps=3, problems=6)
    edit(base / "evaluation" / fake_runs.TASK / "summary.json", {"weights_sha256": WEIGHTS})
    edit(run / "config.json", {"model_sha256": WEIGHTS}, "config")
    return base, run


def test_a_base_that_was_renamed_is_found_among_the_siblings(family: tuple[Path, Path]) -> None:
    base, run = family
    assert base_of(read_run(run)) == base
    moved = base.rename(base.with_name("old-base"))
    assert base_of(read_run(run)) == moved


def test_a_base_that_was_moved_elsewhere_is_found_among_what_is_given(family: tuple[Path, Path]) -> None:
    base, run = family
    away = base.parent / "far" / "away"
    away.parent.mkdir()
    base.rename(away)
    assert base_of(read_run(run)) is None
    assert base_of(read_run(run), [run, away]) == away


def test_another_model_in_the_base_s_place_is_not_taken_for_it(family: tuple[Path, Path]) -> None:
    base, run = family
    moved = Path(shutil.copytree(base, base.with_name("old-base")))
    edit(base / "evaluation" / fake_runs.TASK / "summary.json", {"weights_sha256": "cd" * 32})
    assert base_of(read_run(run)) == moved
    shutil.rmtree(moved)
    assert base_of(read_run(run)) is None  # rather than what it was not trained from


def test_a_run_that_learnt_nothing_is_not_taken_for_its_own_base(family: tuple[Path, Path]) -> None:
    base, run = family
    idle = fake_runs.make_run(run.parent, base, 0.2, steps=1, problems=6)
    edit(idle / "config.json", {"model_sha256": WEIGHTS}, "config")
    edit(idle / "evaluation" / fake_runs.TASK / "summary.json", {"weights_sha256": WEIGHTS})
    shutil.rmtree(base)
    assert base_of(read_run(run)) is None


def test_the_evaluations_of_somebody_else_s_model_are_the_base_of_what_began_with_it(
    family: tuple[Path, Path],
) -> None:
    base, run = family
    foreign = run.parent / "Their-Model"
    foreign.mkdir()
    (base / "evaluation" / fake_runs.TASK).rename(foreign / fake_runs.TASK)
    shutil.rmtree(base)
    assert base_of(read_run(run)) == foreign


def test_the_weights_of_a_checkpoint_are_known_by_its_manifest(family: tuple[Path, Path]) -> None:
    base, run = family
    checkpoint = base / "checkpoints/step-000002"
    checkpoint.mkdir(parents=True)
    for name in ("model-1.safetensors", "model-2.safetensors", "optimizer.safetensors", "state.json"):
        (checkpoint / name).write_text(name)
    seal(checkpoint, 2)
    assert recorded_digest(checkpoint) == weights_digest(checkpoint)
    assert recorded_digest(base) is None
    shutil.rmtree(base / "evaluation")
    edit(run / "config.json", {"model_sha256": weights_digest(checkpoint)}, "config")
    moved = base.rename(base.with_name("moved"))
    assert base_of(read_run(run)) == moved
