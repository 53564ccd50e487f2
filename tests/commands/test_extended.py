"""Finished work is gone on with: more steps, more responses, more problems; and a folder is known by its content."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.runs.logs import read_log
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

FAST = ["--max-new-tokens", "8", "--threads", "1"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl", count=6)
    return folder


def evaluate(root: Path, out: Path, *more: str) -> Path:
    words = ["evaluate", str(root / "model"), "--task", str(root / "task.jsonl"), "--out", str(out), *FAST, *more]
    assert main(words) == 0
    return out / "model" / "task"


def texts(folder: Path) -> dict[tuple[str, int], str]:
    return {(line["problem_id"], line["sample"]): line["text"] for line in read_log(folder / "responses.jsonl")}


def test_an_evaluation_of_more_problems_and_responses_keeps_what_is_there(root: Path, tmp_path: Path) -> None:
    folder = evaluate(root, tmp_path / "grown", "--size", "3", "--k", "2")
    before = (folder / "responses.jsonl").read_bytes()
    evaluate(root, tmp_path / "grown", "--k", "3")
    assert (folder / "responses.jsonl").read_bytes().startswith(before)
    at_once = evaluate(root, tmp_path / "at once", "--k", "3")
    assert texts(folder) == texts(at_once)
    assert len(texts(folder)) == 18
    grown, whole = (json.loads((place / "summary.json").read_text()) for place in (folder, at_once))
    assert (grown["summary"], grown["protocol"]) == (whole["summary"], whole["protocol"])
    assert json.loads((folder / "done.json").read_text())["responses"] == 18


def test_fewer_responses_or_another_seed_are_other_work(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(root, tmp_path / "out", "--size", "3", "--k", "2")
    words = ["evaluate", str(root / "model"), "--task", str(root / "task.jsonl"), "--out", str(tmp_path / "out"), *FAST]
    for other in (["--size", "3", "--k", "1"], ["--size", "2", "--k", "2"], ["--k", "3", "--seed", "1"]):
        assert main([*words, *other]) == 2
        assert "was made with another configuration" in capsys.readouterr().err


def test_a_finished_run_is_trained_on_to_the_bits_of_one_that_was_asked_at_once(root: Path, tmp_path: Path) -> None:
    for steps in (2, 4):
        train_for_odd_texts(settings(root, run={"steps": steps}), tmp_path / "grown")
    train_for_odd_texts(settings(root, run={"steps": 4}), tmp_path / "whole")
    for name in ("journal.jsonl", "checkpoints/step-000004/model.safetensors", "done.json", "config.json"):
        assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_run_is_known_by_its_base_s_content_not_by_the_spelling_of_a_path(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model", "task.jsonl"):
        (shutil.copytree if name == "model" else shutil.copy)(root / name, tmp_path / name)
    out = tmp_path / "runs" / "run"
    train_for_odd_texts(settings(tmp_path, run={"steps": 2}), out)
    before = (out / "journal.jsonl").read_bytes()
    (tmp_path / "model").rename(tmp_path / "moved")
    monkeypatch.chdir(out.parent)
    for model in ("../moved", "../moved/", str(tmp_path / "moved")):
        config = settings(tmp_path, model=model, task="../task.jsonl", run={"steps": 2})
        assert train_for_odd_texts(config, out).steps == 2
    assert (out / "journal.jsonl").read_bytes() == before
    longer = settings(tmp_path, model="../moved/", task="../task.jsonl", run={"steps": 3})
    assert train_for_odd_texts(longer, out).steps == 3
