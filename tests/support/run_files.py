"""The small JSON files of a run folder, read and changed as tersely itself would: with their checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tersely.runs.checks import CHECKED
from tersely.runs.disk import write_json_atomic
from tersely.runs.json_file import read_json
from tersely.runs.logs import SEALED, read_log


def content_of(path: Path) -> dict[str, Any]:
    """Without the check, which is looked at."""
    return dict(read_json(path, "a file of a run folder"))


def rewrite(path: Path, **changes: Any) -> None:
    """Other values of some fields, under a check that fits: what a version of tersely, or a stranger, may write."""
    write_json_atomic(path, {**content_of(path), **changes})


def without_checks(folder: Path) -> None:
    """The folder as an earlier version would have left it."""
    logs = {path: read_log(path) for path in folder.glob("*.jsonl")}
    files = {path: content_of(path) for path in folder.glob("*.json")}
    for path, lines in logs.items():
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path, content in files.items():
        path.write_text(json.dumps({key: value for key, value in content.items() if key != CHECKED}))
    (folder / SEALED).unlink(missing_ok=True)
