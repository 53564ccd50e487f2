"""Quickstart is a chain of commands: it goes the whole way, is resumable, and says which command failed and why."""

from __future__ import annotations

import copy
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import forked
from pages import blank_figures
from tersely.cli import main
from tersely.config import read_recipe
from tersely.pipelines.quickstart import QuickstartPlan
from tersely.toy.shipped import SHIPPED_BASE
from tiny_models import make_model_folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped base as somebody's own. Its responses are short, so that all goes fast."""
    return Path(shutil.copytree(SHIPPED_BASE, tmp_path_factory.mktemp("quick") / "base"))


def command(base: Path, out: Path, *more: str) -> list[str]:
    options = ["--alphas", "0,0.2", "--steps", "2", "--size", "24", "--out", str(out), *more]
    return ["quickstart", "--base", str(base), *options]


@pytest.fixture
def small_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are forked, a step of training takes 16 responses instead of 256, and figures are not drawn."""
    recipe = read_recipe("tiny")
    recipe["sampling"] |= {"prompts": 4, "n": 4}
    monkeypatch.setattr("tersely.config.read_recipe", lambda name: copy.deepcopy(recipe))
    blank_figures(monkeypatch)
    forked.chains_fork(monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("small_chains")
def test_quickstart_ends_with_a_table_and_a_page_and_again_does_nothing_new(base: Path, tmp_path: Path) -> None:
    before = sorted(path for path in base.rglob("*"))
    done = forked.run(*command(base, tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "alpha-0.2" in done.stdout
    assert "at temperature 1" in " ".join(done.stdout.split())
    assert "report: done (6 of 6)" in done.stderr
    page = tmp_path / "out/report/index.html"
    assert str(page) in done.stdout
    assert "tersely train --recipe tiny" in page.read_text()
    journal = tmp_path / "out/alpha-0/journal.jsonl"
    stamp = journal.stat().st_mtime_ns
    again = forked.run(*command(base, tmp_path / "out"))
    assert again.returncode == 0, again.stderr
    assert journal.stat().st_mtime_ns == stamp
    # Another size used to collide with the evaluation left in the base's own folder, which is only read.
    other = forked.run(*command(base, tmp_path / "30", "--size", "30", "--alphas", "0"))
    assert other.returncode == 0, other.stderr
    assert sorted(path for path in base.rglob("*")) == before


def test_printed_commands_can_be_pasted_whatever_the_paths() -> None:
    command = QuickstartPlan(Path("my runs"), 0, None, 24).train(Path("a base"), Path("it's"), 0.1)
    assert shlex.split(command.text) == ["tersely", *command.arguments]


@pytest.mark.slow
@pytest.mark.usefixtures("small_chains")
def test_a_base_of_anybody_s_is_measured_as_its_runs_are(tmp_path: Path) -> None:
    """It has no template of its own, and the runs' is not what evaluate takes by itself: the page refused."""
    model = make_model_folder(tmp_path / "model")
    done = forked.run(*command(model, tmp_path / "out", "--alphas", "0"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/report/index.html").is_file()


def test_a_base_that_is_not_there_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quickstart", "--base", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "there is no model at" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_fast_ends_with_one_problem_side_by_side_and_the_page(tmp_path: Path) -> None:
    """In processes that are started as they are for a user."""
    small = ["quickstart", "--fast", "--steps", "1", "--size", "24", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-m", "tersely", *small], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    _, _, shown = done.stdout.partition("the same problem before and after")
    assert shown.count(" tokens, CORRECT, eos, answer ") == 2
    assert done.stdout.splitlines()[-1] == f"the page: {tmp_path / 'out/report/index.html'}"
    assert not (tmp_path / "out/base").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("small_chains")
@pytest.mark.parametrize("signum", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
def test_ended_quickstart_leaves_no_process_behind_and_goes_on_when_run_again(
    tmp_path: Path, signum: signal.Signals
) -> None:
    out = tmp_path / "out"
    small = command(SHIPPED_BASE, out, "--alphas", "0", "--steps", "16")
    with open(os.devnull, "w") as nowhere:
        process = forked.start(*small, out=nowhere, err=nowhere)
    deadline = time.monotonic() + 120
    while not (out / "alpha-0/journal.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signum)
    process.wait(60)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    # The chain's training is cut short here: what counts is that the same command takes up its own folders.
    done = forked.run(*small)
    assert done.returncode == 0, done.stderr
    assert "going on from step" in (out / "logs/train-alpha-0.log").read_text()


@pytest.mark.slow
def test_a_folder_of_somebody_else_is_refused_before_anything_begins(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "logs").mkdir(parents=True)
    (out / "alpha-0").mkdir()
    (out / "alpha-0" / "thesis.tex").write_text("mine")
    assert main(command(base, out)) == 2
    said = capsys.readouterr().err
    assert "alpha-0 is not empty and is no run folder (it holds thesis.tex)" in " ".join(said.split())
    assert "Traceback" not in said
    assert (out / "alpha-0" / "thesis.tex").read_text() == "mine"
    assert not (out / "alpha-0.2").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("small_chains")
def test_failing_command_is_named_with_its_own_sentence(tmp_path: Path) -> None:
    """A random model is never right, so that its training ends."""
    model = make_model_folder(tmp_path / "model")
    done = forked.run(*command(model, tmp_path / "out", "--alphas", "0", "--steps", "12"))
    assert done.returncode == 3
    assert "train alpha-0 ended with code 3: not one answer was right in 3 steps" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
