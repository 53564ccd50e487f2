"""What scripts/setup says before it sets anything up."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("script", ["no-such-python", "old"])
@pytest.mark.parametrize("is_set_up", [False, True])
def test_a_python_that_was_asked_for_and_will_not_do_is_refused(script: str, is_set_up: bool, tmp_path: Path) -> None:
    """It used to be passed over: for another one that was found, and where .venv was there already."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "scripts", clone / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, clone / name)
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the version check comes to on python3.10
    old.chmod(0o755)
    if is_set_up:
        (clone / ".venv").mkdir()
        summed = "cat pyproject.toml constraints.txt scripts/setup | cksum | cut -d' ' -f1"
        stamp = subprocess.run(["bash", "-c", summed], cwd=clone, capture_output=True, text=True).stdout.strip()
        (clone / ".venv" / f".tersely-{stamp}").touch()
    asked = str(old) if script == "old" else script
    done = subprocess.run(
        ["bash", str(clone / "scripts/setup")], env={**os.environ, "PYTHON": asked}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert f"PYTHON={asked} is no Python 3.11, 3.12 or 3.13" in done.stderr
    assert (clone / ".venv").exists() is is_set_up
