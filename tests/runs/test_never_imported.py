"""What a run folder or a task file names is read, never imported: only a person's own words choose code."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tersely
from graders import ParityJudge
from pages import blank_figures
from run_files import content_of, rewrite
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.cli import main
from tersely.errors import UserError
from tersely.tasks import load_task
from tersely.verify import Judge
from tiny_models import make_model_folder, make_task
from training import QUIET, settings, train_for_odd_texts

MODULE = """
from pathlib import Path
Path(__file__).with_suffix(".imported").touch()
"""
NAME = "hostile_plugin:Anything"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and its base, evaluated, and samples; then every plug point of both folders names a module of strangers."""
    folder = tmp_path_factory.mktemp("named")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    make_task(folder / "held_out.jsonl", start=100)
    train_for_odd_texts(settings(folder), folder / "run")
    for model, out in (("run", None), ("model", folder / "base")):
        tersely.evaluate(
            folder / model, task=folder / "held_out.jsonl", out=out, k=2, max_new_tokens=40, template="question",
            judge=ParityJudge(), display=QUIET,
        )  # fmt: skip
    sampling = {"n": 4, "max_new_tokens": 40}
    config = {"model": str(folder / "model"), "task": str(folder / "task.jsonl"), "template": "question"}
    draw_samples(resolve_samples({**config, "sampling": sampling}), folder / "samples", QUIET, ParityJudge())
    for place in ("run", "samples"):
        change(folder / place / "config.json", name_strangers)
    shutil.copytree(folder / "model", folder / "copied")
    content = {"template": "question", "max_new_tokens": 40, "objective": {"method": NAME}, "verifier": NAME}
    (folder / "copied/tersely.json").write_text(json.dumps(content))
    return folder


def change(path: Path, how: Any) -> None:
    config = content_of(path)["config"]
    how(config)
    rewrite(path, config=config)


def name_strangers(config: dict[str, Any]) -> None:
    config["verifier"] = NAME
    config["sampling"]["engine"] = NAME
    if "objective" in config:
        config["objective"] |= {"method": NAME, "schedule": NAME}
        config["learner"]["loss"] = NAME


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that exists once the strangers' module was imported, here or in another process."""
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap/hostile_plugin.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "trap"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "trap"), prepend=":")
    yield tmp_path / "trap/hostile_plugin.imported"
    sys.modules.pop("hostile_plugin", None)


@pytest.mark.slow
def test_the_trap_works(trap: Path, root: Path) -> None:
    with pytest.raises(UserError, match="has no attribute 'Anything'"), Judge(verifier=NAME):
        pass
    assert trap.exists()


@pytest.mark.slow
def test_readers_of_a_run_folder_import_nothing_of_what_it_names(
    trap: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank_figures(monkeypatch)
    run, base, held_out = str(root / "run"), str(root / "base"), str(root / "held_out.jsonl")
    assert tersely.load_run(run).config["verifier"] == NAME
    assert main(["report", run, "--base", base, "--out", str(tmp_path / "report")]) == 0
    assert main(["compare", run, "--base", base, "--out", str(tmp_path / "page")]) == 0
    assert main(["plan", "--run", run]) == 0
    assert main(["behaviours", base, run, "--out", str(tmp_path / "behaviours")]) == 0
    options = ["--task", held_out, "--max-new-tokens", "8", "--out", str(tmp_path / "out")]
    assert main(["evaluate", run, *options]) == 0
    copied = str(root / "copied")
    assert main(["evaluate", copied, *options]) == 2
    assert main(["evaluate", copied, *options, "--other-verifier"]) == 0
    assert main(["profile", copied, *options[:4], "--out", str(tmp_path / "profile")]) == 2
    assert not trap.exists()


def test_samples_made_elsewhere_choose_no_code(trap: Path, root: Path, tmp_path: Path) -> None:
    options = ["--learning-rate", "1e-4", "--set", "tuning.batch=8", "--out", str(tmp_path / "pruned")]
    assert main(["baseline", "o1-pruner", "--samples", str(root / "samples"), *options]) == 0
    assert not trap.exists()


@pytest.mark.parametrize("column", ["kind", "answer_type"])
def test_a_kind_in_a_task_file_is_no_module(trap: Path, tmp_path: Path, column: str) -> None:
    task = tmp_path / "task.jsonl"
    task.write_text(json.dumps({"problem": "1 + 1", "answer": "2", column: NAME}) + "\n")
    with pytest.raises(UserError, match=f"line 1: unknown {column}"):
        load_task(task, "train")
    task.write_text(json.dumps({"problem": "1 + 1", "answer": "2", column: "mathh"}) + "\n")
    with pytest.raises(UserError, match="did you mean 'math'"):
        load_task(task, "train")
    assert not trap.exists()
