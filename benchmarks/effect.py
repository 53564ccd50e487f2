"""What a quickstart costs, over several seeds: seconds and memory. What it shows is in benchmarks/compare.py's records.

    python benchmarks/effect.py --out runs/effect            # writes benchmarks/results/effect.md

Resumable: run it again and finished work is recognised (its seconds are then those of the first time).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import psutil

SEEDS = (0, 1, 2)
TERSELY = [sys.executable, "-m", "tersely"]


def run_measured(command: list[str]) -> dict[str, float]:
    """Wall seconds, and the peak of the resident memory of all its processes together (shared pages counted once
    where the system tells: PSS), sampled twice a second."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command)
    while process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with code {process.returncode}")
    return {"seconds": time.perf_counter() - start, "peak_gb": peak / 1e9}


def tree_memory(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            info = process.memory_full_info()
            total += getattr(info, "pss", 0) or info.rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def quickstarts(out: Path) -> list[dict[str, float]]:
    costs = []
    for seed in SEEDS:
        kept = out / f"seed-{seed}.json"
        if not kept.is_file():
            cost = run_measured([*TERSELY, "quickstart", "--seed", str(seed), "--out", str(out / f"seed-{seed}")])
            kept.write_text(json.dumps(cost))
        costs.append(json.loads(kept.read_text()))
    return costs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/effect"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    costs = quickstarts(args.out)
    here = Path(__file__).parent
    lines = [
        "# What a quickstart costs, three seeds",
        "",
        f"{date.today()}, Python {platform.python_version()}, {os.cpu_count()} cores {platform.machine()}. "
        "Command: `python benchmarks/effect.py`. What it shows: docs/results/reading.md.",
        "",
        "| seed | quickstart, seconds | peak memory, GB |",
        "|---|---|---|",
        *[f"| {s} | {c['seconds']:.0f} | {c['peak_gb']:.2f} |" for s, c in zip(SEEDS, costs, strict=True)],
    ]
    (here / "results" / "effect.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
