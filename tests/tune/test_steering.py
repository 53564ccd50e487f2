"""The hook in the training loop: it changes nothing but alpha, and a run that is killed goes on with the same bits."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from crash import survive_every_crash
from tersely.errors import RunError
from tersely.learn.trainer import Trainer
from tersely.models.load import load_tokenizer
from tersely.records import JsonObject
from tersely.runs.logs import read_log
from tersely.runs.manifest import verify_checkpoint
from tersely.samplers import Sampling
from tersely.tasks import load_task
from tersely.tasks.prompts import render_all
from tersely.tune.found import read_screen
from tersely.tune.path import PathSettings
from tersely.tune.steering import ScreenedRamp
from tersely.tune.target import Target
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steered")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    make_task(folder / "held.jsonl", count=10, start=100)
    return folder


def ramp(root: Path, target: Target, steps: int) -> ScreenedRamp:
    problems = load_task(root / "held.jsonl", "held_out")
    prompts = render_all(problems, load_tokenizer(root / "model"), "question")
    path = PathSettings(steps, target.loss, gate=100)
    return ScreenedRamp(path, target, False, problems, prompts, Sampling(2, 40, 0.6), {"tune": path.to_json()})


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def outcome(run: Path) -> dict[str, Any]:
    """What must be bit-identical however often the run was killed."""
    kept = sorted(folder for folder in (run / "members").iterdir())
    texts = {name: (run / name).read_text() for name in ("journal.jsonl", "screen.jsonl", "done.json")}
    last = max((run / "checkpoints").glob("step-*"))
    return {**texts, **{folder.name: weights(folder) for folder in kept}, "last": (last.name, weights(last))}


class Still:
    """Measures nothing and leaves alpha where it is, said outright."""

    identity: JsonObject = {"steered": True}  # noqa: RUF012 (never written to)
    longest_prompt = 0
    is_over = False

    def begin(self, trainer: Trainer) -> None:
        return None

    def alpha(self, step: int) -> float:
        return 0.2

    def after(self, trainer: Trainer, step: int) -> None:
        return None


@pytest.mark.slow
def test_alpha_that_does_not_move_gives_the_bits_of_a_run_without_steering(root: Path, tmp_path: Path) -> None:
    plain, still, measured = tmp_path / "plain", tmp_path / "still", tmp_path / "measured"
    train_for_odd_texts(settings(root), plain)
    train_for_odd_texts(settings(root), still, steering=Still())
    steering = ramp(root, Target(tokens=1), 4)
    steering.alpha = lambda step: 0.2  # type: ignore[method-assign]
    train_for_odd_texts(settings(root), measured, steering=steering)
    wanted = weights(plain / "checkpoints/step-000004")
    assert weights(still / "checkpoints/step-000004") == weights(measured / "checkpoints/step-000004") == wanted
    lines = [read_log(run / "journal.jsonl") for run in (plain, measured)]
    assert [{**line, "alpha": 0.2} for line in lines[0]] == lines[1]
    assert [line["alpha"] for line in read_log(still / "journal.jsonl")] == [0.2] * 4


@pytest.mark.slow
def test_every_measured_checkpoint_is_kept_sealed_and_alpha_stands_in_the_journal(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_for_odd_texts(settings(root), run, steering=ramp(root, Target(tokens=1), 4))
    seen = read_screen(run)
    assert [one.member for one in seen] == ["base", *(f"step-{step:06d}" for step in range(1, 5))]
    assert [one.alpha for one in seen] == [None, 0.125, 0.25, 0.375, 0.5]
    assert [line["alpha"] for line in read_log(run / "journal.jsonl")] == [0.125, 0.25, 0.375, 0.5]
    for one in seen[1:]:
        assert verify_checkpoint(run / "members" / one.member) == []
        assert len(one.right_P) == 10
    last = weights(run / "members/step-000004")
    assert last == weights(run / "checkpoints/step-000004")


@pytest.mark.slow
def test_a_run_that_is_past_its_length_ends_and_is_finished(root: Path, tmp_path: Path) -> None:
    run, target = tmp_path / "run", Target(tokens=1000)
    done = train_for_odd_texts(settings(root, run={"steps": 9}), run, steering=ramp(root, target, 9))
    assert done.steps == 2
    assert (run / "done.json").is_file()
    before = outcome(run)
    train_for_odd_texts(settings(root, run={"steps": 9}), run, steering=ramp(root, target, 9))
    assert outcome(run) == before


@pytest.mark.slow
@pytest.mark.parametrize(("kinds", "stride"), [(True, 20), pytest.param(False, 1, marks=pytest.mark.long)])
def test_killed_anywhere_it_ends_with_the_same_path_checkpoints_and_weights(
    root: Path, tmp_path: Path, kinds: bool, stride: int
) -> None:
    """A floor that a random model falls below, so that the path turns: its cut must be found again in the log."""
    config = settings(root, run={"steps": 5, "checkpoint_every": 1})

    def run(out: Path) -> None:
        train_for_odd_texts(config, out, steering=ramp(root, Target(loss=0.001), 5))

    survive_every_crash(run, tmp_path, outcome, kinds=kinds, stride=stride)
    alphas = [line["alpha"] for line in read_log(tmp_path / "whole/journal.jsonl")]
    assert len(alphas) >= 3


def test_a_floor_above_which_every_model_stands_is_refused_before_a_step(root: Path, tmp_path: Path) -> None:
    steering = ramp(root, Target(loss=0.99), 2)
    with pytest.raises(RunError, match="so that any model loses at most 99 points"):
        train_for_odd_texts(
            settings(root, run={"steps": 2, "checkpoint_every": 1}), tmp_path / "run", steering=steering
        )
    assert not (tmp_path / "run/journal.jsonl").exists()
