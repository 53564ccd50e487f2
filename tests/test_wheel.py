"""What is published: a wheel that works in an environment that has never seen the clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tersely import __version__
from tiny_models import make_model_folder, make_task

ROOT = Path(__file__).parents[1]

BOTH = """
import json, sys, tersely
from tersely.cli import main
print(tersely.__file__)
for words in json.loads(sys.argv[1]):
    assert main(words) == 0
"""
"""Two commands in one process, because importing torch takes longest."""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheel_alone_trains_and_evaluates(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT, cwd=tmp_path)
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "fresh", cwd=tmp_path)
    python, site = tmp_path / "fresh/bin/python", next((tmp_path / "fresh/lib").glob("python*/site-packages"))
    # The libraries it depends on are taken from here: a line of a .pth file, which follows no .pth files there, so that
    # the clone, installed there in place, is not seen.
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    wheel = next(tmp_path.glob("tersely-*.whl"))
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    make_model_folder(tmp_path / "model")
    make_task(tmp_path / "task.jsonl")
    make_task(tmp_path / "held_out.jsonl", start=50)
    sizes = ("sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=8", "run.threads=1")
    options = [word for size in sizes for word in ("--set", size)]
    options += ["--template", "question", "--alpha", "0.2", "--steps", "1", "--out", "run"]
    train = ["train", "--model", "model", "--task", "task.jsonl", *options]
    evaluate = ["evaluate", "run", "--task", "held_out.jsonl", "--threads", "1"]
    place = run(python, "-c", BOTH, json.dumps([train, evaluate]), cwd=tmp_path).splitlines()[0]
    assert Path(place).is_relative_to(site)
    summary = json.loads((tmp_path / "run/evaluation/held_out/summary.json").read_text())
    assert summary["summary"]["overall"]["responses"] == 12
    assert run(tmp_path / "fresh/bin/tersely", "--version", cwd=tmp_path) == f"tersely {__version__}\n"
