"""The judge's speed against that of an earlier commit, in one run: fresh processes by turns, the same pairs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import quantiles

TIMED = """
import importlib, json, sys, time
judge = importlib.import_module(sys.argv[1] + ".verify.judge").judge_here
warm, pairs = json.load(sys.stdin)
for item in warm:
    judge(*item)
start = time.process_time()
for item in pairs:
    judge(*item)
print(time.process_time() - start)
"""
Item = tuple[str, str, str]


def against(before: Path, warm: list[Item], pairs: list[Item], runs: int) -> list[str]:
    """Lines of the table: CPU seconds of this judge over those of the one in ``before``, a folder ``src``."""
    here = Path(__file__).resolve().parents[1] / "src"
    found: dict[Path, list[float]] = {before: [], here: []}
    for turn in range(runs):
        for source in (before, here) if turn % 2 else (here, before):
            found[source].append(_seconds(source, warm, pairs))
    ratios = [new / old for new, old in zip(found[here], found[before], strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    commit = subprocess.run(
        ["git", "-C", str(before), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    return [
        f"Against commit {commit.stdout.strip()}, the same pairs, {runs} pairs of fresh processes by turns: ratio of "
        f"the CPU seconds of this judge to that one {middle:.2f} (quartiles {low:.2f} to {high:.2f}); best of each "
        f"{min(found[here]) / min(found[before]):.2f}."
    ]


def _seconds(source: Path, warm: list[Item], pairs: list[Item]) -> float:
    (package,) = (folder.name for folder in source.iterdir() if (folder / "__init__.py").is_file())
    asked = json.dumps([warm, pairs])
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", TIMED, package]
    done = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)
