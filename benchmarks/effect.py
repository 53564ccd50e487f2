"""The effect over several seeds, with what it cost: quickstart for each seed, the `group` ablation, one page over all.

    python benchmarks/effect.py --out runs/effect            # writes benchmarks/results/effect.md and docs/results/

Of the page only what README shows is put into docs/results.

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
from publish import replace_page

SEEDS = (0, 1, 2)
ABLATION_ALPHA = "0.05"
SHOWN = ("figures/plane_arithmetic.png", "tables/overview_arithmetic.csv", "tables/seeds_arithmetic.csv")
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


def ablation(out: Path, seed: int) -> Path:
    """alpha 0.05 with the advantages divided by their group's standard deviation."""
    base, run = out / f"seed-{seed}" / "base", out / f"seed-{seed}" / f"group-{ABLATION_ALPHA}"
    train = ["train", "--recipe", "tiny", "--model", base, "--task", "arithmetic", "--alpha", ABLATION_ALPHA]
    train += ["--seed", seed, "--out", run, "--set", "objective.normalize=group"]
    evaluate = ["evaluate", run, "--task", "arithmetic", "--size", 1200, "--k", 2, "--threads", 1]
    for command in (train, evaluate):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*TERSELY, *map(str, command)], check=True, env=environment, stdout=subprocess.DEVNULL)
    return run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/effect"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    costs = quickstarts(args.out)
    ablated = [ablation(args.out, seed) for seed in SEEDS]
    runs = [run for seed in SEEDS for run in sorted((args.out / f"seed-{seed}").glob("alpha-*"))]
    page = args.out / "page"
    subprocess.run(
        [
            *TERSELY,
            "report",
            *map(str, [*runs, *ablated]),
            "--out",
            str(page),
            "--command",
            "python benchmarks/effect.py",
        ],
        check=True,
    )
    here = Path(__file__).parent
    replace_page(page, here.parent / "docs" / "results", SHOWN)
    lines = [
        "# The effect over three seeds, and what a quickstart costs",
        "",
        f"{date.today()}, Python {platform.python_version()}, {os.cpu_count()} cores {platform.machine()}. "
        "Command: `python benchmarks/effect.py`. What README shows of the page stands in docs/results/.",
        "",
        "| seed | quickstart, seconds | peak memory, GB |",
        "|---|---|---|",
        *[f"| {s} | {c['seconds']:.0f} | {c['peak_gb']:.2f} |" for s, c in zip(SEEDS, costs, strict=True)],
    ]
    (here / "results" / "effect.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
