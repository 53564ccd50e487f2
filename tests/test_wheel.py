"""What is published: a wheel that works in an environment that has never seen the clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tiny_models import make_model_folder, make_task

ROOT = Path(__file__).parents[1]


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
    place = run(python, "-c", "import tersely; print(tersely.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(site)

    make_model_folder(tmp_path / "model")
    make_task(tmp_path / "task.jsonl")
    make_task(tmp_path / "held_out.jsonl", start=50)
    tersely = tmp_path / "fresh/bin/tersely"
    sizes = ("sampling.prompts=2", "sampling.n=2", "sampling.max_new_tokens=8", "run.threads=1")
    options = [word for size in sizes for word in ("--set", size)]
    options += ["--template", "question", "--alpha", "0.2", "--steps", "1", "--out", "run"]
    run(tersely, "train", "--model", "model", "--task", "task.jsonl", *options, cwd=tmp_path)
    run(tersely, "evaluate", "run", "--task", "held_out.jsonl", "--threads", "1", cwd=tmp_path)
    summary = json.loads((tmp_path / "run/evaluation/held_out/summary.json").read_text())
    assert summary["summary"]["overall"]["responses"] == 12
