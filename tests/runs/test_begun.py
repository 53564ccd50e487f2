"""Who may go on in a folder: what is known by content goes by that, and one that holds nothing yet binds nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tersely.errors import UserError
from tersely.runs.folder import RunFolder, read_config, read_log
from tersely.runs.kinds import RunKind

KIND, OLD, NEW = RunKind.EVALUATION, {"cap": 1024}, {"cap": 893}


def begun(path: Path) -> Path:
    with RunFolder.open(path, KIND, OLD):
        for name in ("expected.json", "model_check.json"):
            (path / name).write_text("{}")
    return path


def test_a_folder_without_a_response_takes_another_configuration(tmp_path: Path) -> None:
    path = begun(tmp_path / "run")
    assert RunFolder.look(path, KIND, NEW) is None
    assert read_config(path) == OLD
    with RunFolder.open(path, KIND, NEW) as run:
        assert {entry.name for entry in path.iterdir()} <= {"config.json", ".lock", "checkpoints"}
        run.append("responses", [{"a": 1}])
    assert read_config(path) == NEW
    assert read_log(path / "responses.jsonl") == [{"a": 1}]


def test_a_torn_first_line_is_no_response(tmp_path: Path) -> None:
    path = begun(tmp_path / "run")
    (path / "responses.jsonl").write_text('{"a": ')
    with RunFolder.open(path, KIND, NEW) as run:
        run.append("responses", [{"a": 1}])
    assert read_log(path / "responses.jsonl") == [{"a": 1}]


def test_the_same_configuration_keeps_what_was_noted(tmp_path: Path) -> None:
    path = begun(tmp_path / "run")
    with RunFolder.open(path, KIND, OLD):
        assert (path / "expected.json").exists()


@pytest.mark.parametrize("name", ["responses.jsonl", "done.json", "mine.txt", "notes.jsonl", "checkpoints/step-000001"])
def test_a_folder_that_holds_anything_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    path = begun(tmp_path / "run")
    if "/" in name:
        (path / name).mkdir(parents=True)
    else:
        (path / name).write_text("{}\n" if name == "responses.jsonl" else "{}")
    for attempt in (RunFolder.look, RunFolder.open):
        with pytest.raises(UserError, match="another configuration: cap was 1024, is now 893"):
            attempt(path, KIND, NEW)
    assert read_config(path) == OLD
    assert (path / name).exists()


def test_looking_writes_nothing_and_knows_finished_work(tmp_path: Path) -> None:
    assert RunFolder.look(tmp_path / "new", KIND, OLD) is None
    assert not (tmp_path / "new").exists()
    with RunFolder.open(tmp_path / "run", KIND, OLD) as run:
        run.mark_done({"responses": 0})
    assert RunFolder.look(tmp_path / "run", KIND, OLD) == {"responses": 0}
    with pytest.raises(UserError, match="holds a 'evaluation' run"):
        RunFolder.look(tmp_path / "run", RunKind.SAMPLES, OLD)


@pytest.mark.parametrize("moved", ["../base", "base/", "/elsewhere/base"])
def test_a_model_goes_by_its_content_and_not_by_the_spelling_of_its_path(moved: str, tmp_path: Path) -> None:
    first = {"model": "base", "model_sha256": "ab", "task": "t.jsonl", "task_sha256": "cd", "seed": 0}
    with RunFolder.open(tmp_path / "run", KIND, first) as run:
        run.append("responses", [{"a": 1}])
    with RunFolder.open(tmp_path / "run", KIND, {**first, "model": moved, "task": "copy.jsonl"}):
        assert read_config(tmp_path / "run") == first
    with pytest.raises(UserError, match='model was "base", is now "other"; model_sha256 was "ab", is now "ba"'):
        RunFolder.open(tmp_path / "run", KIND, {**first, "model": "other", "model_sha256": "ba"})
    without = {"model": "base", "seed": 0}
    with RunFolder.open(tmp_path / "bare", KIND, without) as run:
        run.append("responses", [{"a": 1}])
    with pytest.raises(UserError, match="model was"):
        RunFolder.open(tmp_path / "bare", KIND, {**without, "model": moved})
