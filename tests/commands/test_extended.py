"""Finished work is gone on with: more steps, more responses, more problems; and a folder is known by its content."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mistakes import snapshot
from pages import blank_figures
from tersely.cli import main
from tersely.errors import StorageError
from tersely.evaluation.records import read_curve
from tersely.records import JsonObject
from tersely.runs.disk import write_json_atomic
from tersely.runs.folder import RunFolder
from tersely.runs.identity import read_own_config
from tersely.runs.json_file import read_json
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_finished_run_is_trained_on_to_the_bits_of_one_that_was_asked_at_once(root: Path, tmp_path: Path) -> None:
    for steps in (2, 4):
        train_for_odd_texts(settings(root, run={"steps": steps}), tmp_path / "grown")
    train_for_odd_texts(settings(root, run={"steps": 4}), tmp_path / "whole")
    for name in ("journal.jsonl", "checkpoints/step-000004/model.safetensors", "done.json", "config.json"):
        assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
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


def measure(run: Path, root: Path, capsys: pytest.CaptureFixture[str], *more: str, code: int = 0) -> str:
    """What `tersely evaluate` says of a run on problems it was not trained on."""
    capsys.readouterr()
    assert main(["evaluate", str(run), "--task", str(root / "held.jsonl"), *FAST, *more]) == code
    told = capsys.readouterr()
    return told.out + told.err


def grown(root: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of two steps, measured, and trained on to four; its second checkpoint is kept."""
    make_task(root / "held.jsonl", count=3, start=50)
    for steps in (2, 4):
        train_for_odd_texts(settings(root, run={"steps": steps}), run)
        if steps == 2:
            measure(run, root, capsys)


@pytest.mark.slow
def test_the_evaluation_of_a_run_that_was_trained_on_is_kept_under_its_step(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    run = tmp_path / "run"
    grown(root, run, capsys)
    before = (run / "evaluation/held/responses.jsonl").read_bytes()
    said = measure(run, root, capsys)
    assert f"measured step 2 of a run that was trained on since: it is kept as {run}/evaluation/held@step-" in said
    assert (run / "evaluation/held@step-000002/responses.jsonl").read_bytes() == before
    assert (run / "evaluation/held/responses.jsonl").read_bytes() != before
    assert [step for step, _ in read_curve(run, "held")] == [2]
    assert "finished already" in measure(run, root, capsys)
    # It is what --all-checkpoints asks of that step.
    curve = measure(run, root, capsys, "--all-checkpoints")
    assert f"{run}/evaluation/held@step-000002 is finished already" in curve
    for verb in ("report", "compare"):
        assert main([verb, str(run), "--out", str(tmp_path / verb)]) == 0


@pytest.mark.slow
def test_its_step_is_known_when_its_checkpoint_is_gone_and_by_its_checkpoint_where_nothing_was_recorded(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grown(root, tmp_path / "gone", capsys)
    shutil.copytree(tmp_path / "gone", tmp_path / "silent")
    shutil.rmtree(tmp_path / "gone/checkpoints/step-000002")
    summary = tmp_path / "silent/evaluation/held/summary.json"
    content = read_json(summary, "a summary")
    assert content.pop("weights_step") == 2
    write_json_atomic(summary, content)
    for name in ("gone", "silent"):
        assert "it is kept as" in measure(tmp_path / name, root, capsys)


@pytest.mark.slow
def test_weights_that_are_of_no_known_step_are_other_work(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    grown(root, run, capsys)
    summary, config = (run / "evaluation/held" / name for name in ("summary.json", "config.json"))
    write_json_atomic(summary, {**read_json(summary, "a summary"), "weights_step": None})
    content = read_json(config, "a configuration")
    write_json_atomic(config, {**content, "config": {**content["config"], "weights_sha256": "0" * 64}})
    before = snapshot(run / "evaluation")
    assert "measured other weights than" in measure(run, root, capsys, code=2)
    assert snapshot(run / "evaluation") == before


@pytest.mark.slow
def test_what_was_half_measured_before_a_run_was_trained_on_is_in_nobody_s_way_once_it_is_removed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    grown(root, run, capsys)
    folder = run / "evaluation/held"
    for name in ("done.json", "sealed.json", "summary.json"):
        (folder / name).unlink()
    said = measure(run, root, capsys, code=2)
    assert f"{folder} is half-finished and of other weights than {run} has now: remove it" in said
    shutil.rmtree(folder)
    measure(run, root, capsys)


@pytest.mark.slow
def test_a_faithfulness_test_of_a_run_that_was_trained_on_is_kept_under_its_step(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"problem": f"Where is {i}?", "choices": {"A": "x", "B": "y"}, "answer": "AB"[i % 2]} for i in range(2)]
    task, run = tmp_path / "choices.jsonl", tmp_path / "run"
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for steps in (2, 4):
        train_for_odd_texts(settings(root, run={"steps": steps}), run)
        assert main(["faithfulness", str(run), "--task", str(task), *FAST]) == 0
    assert f"it is kept as {run}/faithfulness/choices@step-000002@stanford" in capsys.readouterr().err
    old, new = (
        json.loads((run / "faithfulness" / name / "summary.json").read_text())
        for name in ("choices@step-000002@stanford", "choices@stanford")
    )
    assert (old["weights_step"], new["weights_step"], old["protocol"]["step"]) == (2, 4, 2)


@pytest.mark.slow
def test_a_place_that_is_taken_is_named_and_nothing_is_moved(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    grown(root, run, capsys)
    shutil.copytree(run / "evaluation/held", run / "evaluation/held@step-000002")
    before = snapshot(run / "evaluation")
    assert "measured step 2, and so did" in measure(run, root, capsys, code=2)
    assert snapshot(run / "evaluation") == before


@pytest.mark.slow
def test_a_crash_while_it_is_moved_is_made_good(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    grown(root, run, capsys)

    def refused(self: RunFolder, place: Path, config: JsonObject) -> None:
        write_json_atomic(self.path / "config.json", replace(read_own_config(self.path), config=config).to_json())
        raise StorageError("the power went")

    with monkeypatch.context() as cut:
        cut.setattr(RunFolder, "rename", refused)
        assert "the power went" in measure(run, root, capsys, code=4)
    assert "it is kept as" in measure(run, root, capsys)
    assert [step for step, _ in read_curve(run, "held")] == [2]


@pytest.mark.slow
def test_the_base_that_others_began_with_is_known_by_its_weights_wherever_it_lies(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root / "model", tmp_path / "model")
    shutil.copy(root / "task.jsonl", tmp_path / "task.jsonl")
    make_task(tmp_path / "held.jsonl", count=3, start=50)
    run = tmp_path / "run"
    train_for_odd_texts(settings(tmp_path, run={"steps": 1}), run)
    moved = (tmp_path / "model").rename(tmp_path / "moved")
    (moved / "tersely.json").write_text(json.dumps({"template": "boxed"}))
    words = ["evaluate", str(moved), str(run), "--task", str(tmp_path / "held.jsonl"), *FAST]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0, capsys.readouterr().err
    protocol = json.loads((tmp_path / "out/moved/held/summary.json").read_text())["protocol"]
    assert protocol["template"] == "question"
