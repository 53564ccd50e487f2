"""Logs of other evaluators, as their own libraries wrote them (``scripts/logs``), and changed copies of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tersely.cli import main
from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.imported.as_ours import Imported, as_ours
from tersely.imported.formats import read_log

LOGS = Path(__file__).parents[1] / "data" / "logs"
INSPECT = LOGS / "inspect"


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], object], name: str = "changed.json") -> Path:
    """The base log of inspect-ai, after ``change``."""
    log = json.loads((INSPECT / "base.json").read_text(encoding="utf-8"))
    change(log)
    path = tmp_path / name
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


def ours(path: Path, scorer: str | None = None) -> Imported:
    return as_ours(read_log(path), scorer, None, None)


def imported(out: Path, *words: str | Path) -> list[Evaluation]:
    """What ``tersely import`` made in ``out``."""
    assert main(["import", *map(str, words), "--out", str(out)]) == 0
    return [read_evaluation(path.parent) for path in sorted(out.glob("*/*/summary.json"))]
