"""The base that ships with the package is the one its record says, and the record's command makes it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tersely.models.digest import weights_digest
from tersely.models.environment import environment
from tersely.models.locate import locate_model
from tersely.models.trained_for import read_trained_for
from tersely.toy.shipped import MADE, SHIPPED_BASE

RECORD = json.loads(MADE.read_text(encoding="utf-8"))


def test_the_weights_are_those_of_the_record() -> None:
    assert weights_digest(SHIPPED_BASE) == RECORD["weights_sha256"]


def test_it_is_an_ordinary_model_folder_and_small() -> None:
    assert locate_model(str(SHIPPED_BASE)) == SHIPPED_BASE
    assert read_trained_for(SHIPPED_BASE).max_new_tokens == 320
    files = [path for path in SHIPPED_BASE.iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".jinja"}
    assert sum(path.stat().st_size for path in files) < 600_000


@pytest.mark.long
def test_the_recorded_command_makes_it_again(tmp_path: Path) -> None:
    verb, *arguments = RECORD["command"].removeprefix("tersely ").split()
    done = subprocess.run([sys.executable, "-m", "tersely", verb, *arguments], cwd=tmp_path, check=False)
    assert done.returncode == 0
    here = {**environment(), "threads": 1}
    if any(here[key] != value for key, value in RECORD["environment"].items() if key != "python"):
        pytest.skip("bits are promised for the recorded libraries and processor alone")
    assert weights_digest(locate_model(str(tmp_path / "base"))) == RECORD["weights_sha256"]
