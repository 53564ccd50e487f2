"""`tersely tune` from end to end on a small random model whose odd texts are right."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crash import survive_every_crash
from graders import ParityJudge
from tersely.config import TrainConfig
from tersely.errors import StorageError, UserError
from tersely.models.folder import resolve_model
from tersely.models.trained_for import read_trained_for
from tersely.runs.json_file import read_json
from tersely.runs.logs import read_log
from tersely.tune import path
from tersely.tune.certificate import Certificate
from tersely.tune.found import read_screen
from tersely.tune.path import PathSettings, Phase
from tersely.tune.run import Wish, tune
from tersely.tune.target import Target
from tiny_models import make_model_folder
from training import QUIET, settings

LOSS = Wish(Target(loss=0.15))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    make_model_folder(folder / "model")
    rows = [{"problem": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(400)]
    (folder / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"problem": f"What is {i} - {i}?", "answer": "0"} for i in range(60)]
    (folder / "guard.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def config(root: Path, steps: int = 4, **over: Any) -> TrainConfig:
    return settings(root, run={"steps": steps, "checkpoint_every": 1}, **over)


def tuned(root: Path, out: Path, wish: Wish = LOSS, steps: int = 4) -> Certificate:
    found = tune(config(root, steps), wish, out, QUIET, judge=ParityJudge())
    assert found is not None
    return found


def outcome(out: Path) -> dict[str, Any]:
    """What must be the same however often the work was killed: path, checkpoints, choice."""
    members = sorted(out.glob("run/members/*")) + sorted(out.glob("mixes/*"))
    digests = {m.name: hashlib.sha256((m / "model.safetensors").read_bytes()).hexdigest() for m in members}
    certificates = {file.name: dict(read_json(file, "x")) for file in sorted(out.glob("certificates/*.json"))}
    for one in certificates.values():
        del one["model"]  # the folder's name
    alphas = [line["alpha"] for line in read_log(out / "run/journal.jsonl")]
    return {"path": alphas, "certificates": certificates, **digests}


@pytest.mark.slow
def test_one_run_serves_several_targets(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = tuned(root, out)
    journal = (out / "run/journal.jsonl").stat().st_mtime_ns
    base_tokens = read_log(out / "run/screen.jsonl")[0]["tokens_mean"]
    other = tuned(root, out, Wish(Target(loss=0.17)))
    length = tuned(root, out, Wish(Target(tokens=base_tokens + 5)))
    short = tuned(root, out, Wish(Target(tokens=1)))
    best = tuned(root, out, Wish(Target(save=0.001), against_best=True))
    guarded = tuned(root, out, Wish(Target(loss=0.15), guards=(str(root / "guard.jsonl"),)))
    assert [trial.test for trial in guarded.choice.trials][:2] == ["test", "guard-guard"]
    assert "of guard-guard" in guarded.sentence()
    first = tuned(root, out)
    assert (out / "run/journal.jsonl").stat().st_mtime_ns == journal
    assert {file.name for file in (out / "certificates").iterdir()} == {
        "lose-at-most-15.json", "lose-at-most-17.json", f"tokens-{base_tokens + 5:g}.json", "tokens-1.json",
        "save-0.1-of-best.json",
    }  # fmt: skip
    for one in read_screen(out / "run")[1:]:
        told = read_trained_for(out / "run/members" / one.member)
        assert told.tune == {"member": one.member, "step": one.step, "alpha": one.alpha}
        assert told.objective is not None
        assert told.objective["alpha"] == one.alpha
    newest = read_trained_for(resolve_model(out / "run"))
    assert newest.objective is not None
    assert newest.objective["alpha"] == read_screen(out / "run")[-1].alpha
    assert first.verdict == other.verdict == "certified"
    assert [trial.passed for trial in first.choice.trials][:1] == [True]
    assert length.verdict == "met"
    assert short.verdict == "not met"
    assert "needs" in short.sentence()
    assert best.choice.reference != ""
    assert (first.model / "model.safetensors").is_file()
    kept = read_json(out / "certificates/lose-at-most-15.json", "a certificate")
    assert kept["sentence"] == first.sentence()
    assert {one["against"] for one in kept["last_word"]["versus"]} >= {"base"}


@pytest.mark.slow
def test_killed_anywhere_it_comes_to_the_same_path_checkpoints_and_choice(root: Path, tmp_path: Path) -> None:
    points = survive_every_crash(lambda out: tuned(root, out, steps=2), tmp_path, outcome, stride=41)
    assert len(points) > 3


@pytest.mark.long
def test_killed_in_any_step_of_a_path_with_every_turn_it_takes_the_same_turns(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps up, cut, two held, cut deeper, one held, up again, and over: whatever was measured, it is too low."""
    monkeypatch.setattr(PathSettings, "floor", lambda settings, spread: 1.0)
    monkeypatch.setattr(path, "BEYOND", 2.0)
    monkeypatch.setattr(path, "HOLDS", {Phase.HOLD: 2, Phase.HOLD_DEEPER: 1})
    points = survive_every_crash(
        lambda out: tuned(root, out, steps=9),
        tmp_path,
        outcome,
        only=lambda point: point.path.endswith("journal.jsonl") and point.moment == "after",
    )
    assert len(points) == 7
    ramp = 0.5 / 9
    assert outcome(tmp_path / "whole")["path"] == pytest.approx(
        [ramp, 2 * ramp, 0.6 * ramp, 0.6 * ramp, 0.3 * ramp, 1.2 * ramp, 1.7 * ramp]
    )


@pytest.mark.slow
def test_a_loss_that_no_model_keeps_is_not_certified_and_the_base_is_returned(root: Path, tmp_path: Path) -> None:
    """32 % of 400 problems cannot show 10 points where each response is a coin's throw."""
    found = tuned(root, tmp_path / "out", Wish(Target(loss=0.1)), steps=2)
    assert found.verdict == "not certified"
    assert found.choice.member == "base"
    assert found.model == root / "model"
    assert "The base is returned as it is" in found.sentence()
    if found.choice.trials:
        assert found.choice.undecided is None or found.choice.undecided > 88


@pytest.mark.slow
def test_damage_and_other_work_are_refused(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = tuned(root, out, steps=2)
    with pytest.raises(UserError, match="another configuration"):
        tuned(root, out, steps=3)
    (found.model / "model.safetensors").write_bytes(b"x")
    with pytest.raises((StorageError, UserError)):
        tuned(root, out, Wish(Target(loss=0.45)), steps=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("over", "wish", "why"),
    [
        ({"objective": {"normalize": "group"}}, LOSS, "no longer be the price of length"),
        ({"objective": {"schedule": "linear", "schedule_settings": {"steps": 3}}}, LOSS, "leave the schedule out"),
        ({}, Wish(Target(loss=0.01)), "160 held-out problems.*543 are the least"),
        ({"sampling": {"max_new_tokens": 5000}}, LOSS, "positions"),
        ({}, Wish(Target(loss=0.05), guards=("arithmetic", "task.jsonl")), "among the"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    root: Path, tmp_path: Path, over: dict[str, Any], wish: Wish, why: str
) -> None:
    wish = replace(wish, guards=tuple(str(root / g) if g.endswith("jsonl") else g for g in wish.guards))
    with pytest.raises(UserError, match=why):
        tune(settings(root, **over), wish, tmp_path / "out", QUIET, judge=ParityJudge())
    assert not (tmp_path / "out").exists()


def test_a_folder_of_others_is_left_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/file").write_text("x")
    with pytest.raises(UserError, match="was not made by tersely tune"):
        tuned(root, tmp_path / "theirs")
    with pytest.raises(UserError, match="between 0\\.5"):
        Wish(Target(loss=0.1), confidence=1.0)
    with pytest.raises(UserError, match="keeps the floor of --lose-at-most"):
        Wish(Target(tokens=3), guards=("gsm8k",))
