"""A tracker is told every step and its samples, never stops a run, and changes none of its bits."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from fake_tracker import FakeLibrary, put_in_place
from graders import ParityJudge
from tersely.cli import main
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.journal import StepRecord
from tersely.learn.loop import train
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import RunKind
from tersely.trackers import TRACKERS, find_tracker, require_tracker
from tersely.trackers.base import NAMES
from tersely.trackers.tensorboard import markdown_table
from tiny_models import make_model_folder, make_task
from training import settings


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trackers")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


class Listener(PlainDisplay):
    """Keeps the notes."""

    def __init__(self) -> None:
        super().__init__("test")
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(root: Path, out: Path, tracker: str = "fake", **parts: Any) -> list[str]:
    """Train four steps; the notes that were said."""
    listener = Listener()
    config = settings(root, run={"report_to": tracker})
    train(config, out, listener, judge=ParityJudge(), **parts)
    return [note for note in listener.notes if "tracker" in note]


def bits(out: Path) -> list[bytes]:
    names = ("journal.jsonl", "samples.jsonl", "checkpoints/step-000004/model.safetensors")
    return [(out / name).read_bytes() for name in names]


def test_every_number_of_a_step_has_one_name_in_a_group() -> None:
    assert set(NAMES) == {f.name for f in fields(StepRecord)} - {"step", "event", "levels"}
    assert len(set(NAMES.values())) == len(NAMES)
    assert all(name.count("/") == 1 for name in NAMES.values())


@pytest.mark.slow
def test_a_tracker_is_told_of_every_step_with_its_samples_and_its_configuration(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = put_in_place(monkeypatch, FakeLibrary())
    assert run(root, tmp_path / "run") == []
    (told,) = library.runs
    journal = [json.loads(line) for line in (tmp_path / "run/journal.jsonl").read_text().splitlines()]
    assert [step for step, _ in told.steps] == [1, 2, 3, 4]
    assert [numbers["length/mean"] for _, numbers in told.steps] == [line["length"] for line in journal]
    assert all(None not in numbers.values() for _, numbers in told.steps)
    samples = [json.loads(line) for line in (tmp_path / "run/samples.jsonl").read_text().splitlines()]
    assert [row["text"] for _, numbers in told.steps for row in numbers["samples"]] == [
        line["text"] for line in samples
    ]
    assert (told.project, told.name, told.is_finished) == ("tersely", "run", True)
    assert told.config["objective"]["alpha"] == 0.2


@pytest.mark.slow
def test_with_or_without_a_tracker_a_run_has_the_same_bits_and_goes_on_with_another(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = put_in_place(monkeypatch, FakeLibrary())
    run(root, tmp_path / "told")
    run(root, tmp_path / "alone", "none")
    run(root, tmp_path / "changed", "none", callbacks=[lambda step: step.step == 2])
    run(root, tmp_path / "changed")
    assert bits(tmp_path / "told") == bits(tmp_path / "alone") == bits(tmp_path / "changed")
    # The run that went on is told whole, from its first step.
    assert library.runs[1].steps == library.runs[0].steps


MOMENTS, ERRORS = ("init", "log", "finish"), (OSError("no network"), SystemExit(1), ValueError("first\nsecond"))
FAILURES = [
    pytest.param(fails, error, marks=[] if moment == kind else [pytest.mark.slow])
    for moment, fails in enumerate(MOMENTS)
    for kind, error in enumerate(ERRORS)
]
"""The fast tests have every moment once and every error once."""


@pytest.mark.slow
@pytest.mark.parametrize(("fails", "error"), FAILURES)
def test_a_tracker_that_fails_is_said_once_and_the_run_is_whole(
    fails: str, error: BaseException, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = put_in_place(monkeypatch, FakeLibrary(fails, error))
    notes = run(root, tmp_path / "my run")
    assert len(notes) == 1
    assert notes[0].startswith(f"tracker fake failed ({type(error).__name__}: ")
    assert f"`tersely replay '{tmp_path / 'my run'}' --to fake`" in notes[0]
    assert library.calls.count(fails) == 1
    assert (tmp_path / "my run/done.json").is_file()


@pytest.mark.slow
def test_a_run_can_be_told_afterwards_as_it_was_while_it_trained(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = put_in_place(monkeypatch, FakeLibrary())
    run(root, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert main(["replay", str(tmp_path / "run"), "--to", "fake"]) == 0
    assert capsys.readouterr().out == f"told fake of 4 steps of {tmp_path / 'run'}\n"
    assert library.runs[1] == library.runs[0]
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_replay_that_fails_says_so(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(root, tmp_path / "run", "none")
    put_in_place(monkeypatch, FakeLibrary("log"))
    assert main(["replay", str(tmp_path / "run"), "--to", "fake"]) == 3
    assert capsys.readouterr().err == (
        f"tersely: tracker fake failed (OSError: no network): nothing of {tmp_path / 'run'} is changed\n"
    )


def test_what_is_no_run_or_a_damaged_one_is_refused_in_a_sentence(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, FakeLibrary())
    assert main(["replay", str(root / "model"), "--to", "fake"]) == 2
    assert "no tersely run folder" in capsys.readouterr().err
    with RunFolder.open(tmp_path / "run", RunKind.TRAIN, {}) as folder:
        folder.append("journal", [{"step": 1}])
    assert main(["replay", str(tmp_path / "run"), "--to", "fake"]) == 2
    assert f"{tmp_path / 'run/journal.jsonl'}, line 1: no step of a training run" in capsys.readouterr().err
    with RunFolder.open(tmp_path / "base", RunKind.BASE, {}):
        pass
    assert main(["replay", str(tmp_path / "base"), "--to", "fake"]) == 2
    assert "only runs of `tersely train`" in capsys.readouterr().err


def test_an_unknown_tracker_is_refused_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown tracker 'wandbb' \(did you mean 'wandb'\?\); choose one of none"):
        run(root, tmp_path / "run", "wandbb")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_library_is_refused_with_what_to_install_before_anything_is_written(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.trackers.find_spec", lambda library: None)
    with pytest.raises(UserError, match=rf"tracker {name} needs the library {name}: pip install .*\[{name}\]"):
        run(root, tmp_path / "run", name)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_the_library_s_name_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb makes ./wandb, which Python takes for a package without a file."""
    (tmp_path / "json_nowhere").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    spec = TRACKERS["wandb"]
    monkeypatch.setattr("tersely.trackers.TRACKERS", {"wandb": type(spec)("json_nowhere", spec.open)})
    with pytest.raises(UserError, match="needs the library json_nowhere"):
        find_tracker("wandb")


def test_none_needs_nothing() -> None:
    require_tracker("none")


def test_no_text_of_a_model_becomes_markup_in_the_table_of_tensorboard() -> None:
    text = "a | b\n<script>x</script> `c` \\boxed{1} \ud800"
    header, rule, row = markdown_table([{"step": 1, "text": text}]).splitlines()
    assert header.count("|") == rule.count("|") == row.count("|") == 9
    assert not {"<script>", "`", "\\"} & {word for word in ("<script>", "`", "\\") if word in row}
    row.encode()


def test_the_example_of_a_tracker_outside_the_package_runs_as_it_is_printed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"A tracker outside.*?```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    told: dict[str, Any] = {}
    definitions, call = code[1].rsplit("tersely.train(", 1)
    exec(definitions, told)
    assert call.endswith("callbacks=[tell])\n")
    config = settings(root, run={"steps": 1})
    train(config, tmp_path / "run", PlainDisplay("test"), callbacks=[told["tell"]])
    (line,) = (tmp_path / "steps.jsonl").read_text().splitlines()
    assert json.loads(line)["tokens"] == json.loads((tmp_path / "run/journal.jsonl").read_text())["length"]
