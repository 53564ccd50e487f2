"""A command that is refused has written nothing, and obeying its cure once is enough."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tersely.cli import main
from tiny_models import make_model_folder, make_task

TOO_MUCH = "2040"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    model = make_model_folder(folder / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    make_task(folder / "task.jsonl", count=4)
    rows = [{"problem": f"Where is {i}?", "choices": {"A": "x", "B": "y"}, "answer": "AB"[i % 2]} for i in range(3)]
    (folder / "choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def command(verb: str, root: Path, out: Path, cap: str) -> list[str]:
    task = root / ("choices.jsonl" if verb == "faithfulness" else "task.jsonl")
    options = ["--task", str(task), "--size", "3", "--max-new-tokens", cap, "--threads", "1", "--out", str(out)]
    return [verb, str(root / "model"), *options]


@pytest.mark.parametrize("verb", ["evaluate", "profile", "faithfulness"])
def test_a_cap_that_does_not_fit_is_refused_before_anything_is_written(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(verb, root, out, TOO_MUCH)) == 2
    said = capsys.readouterr().err
    assert not out.exists()
    cure = re.search(r"use --max-new-tokens (\d+) or less", said)
    assert cure is not None, said
    assert main(command(verb, root, out, cure[1])) == 0
