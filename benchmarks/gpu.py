"""What one GPU does with the 1.5B and 7B architectures: no weights, no download, lengths forced from a seeded trace.

A small random model goes through train, stop, resume and evaluate besides.

    python benchmarks/gpu.py                                          # every part that has no result yet, all models
    python benchmarks/gpu.py --model 1.5b --phases ceilings,update    # these only
    python benchmarks/gpu.py --tiny --out /tmp/tiny                   # the same code on a CPU with a toy, in seconds

Each part runs in a process of its own, within --limit seconds (default 540), and leaves one JSON file: what was
measured, or why not. Run it again to go on; --again measures anew. ``results/gpu.md`` and ``gpu.json`` are written from
whatever parts there are. Without a GPU nothing is measured and nothing is written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODELS = ("1.5b", "7b", "small")
SPARE = 60.0
"""Seconds of a part's limit for everything but the rollout itself."""


def run_part(model: str, name: str, limit: float, changes: dict[str, Any]) -> dict[str, Any]:
    """One part in this process, with what is needed to read it later."""
    import torch
    import transformers
    from gpu_phases import PARTS
    from gpu_setup import Setting

    cuda = torch.cuda.is_available() and model != "tiny"
    work, share = PARTS[name]
    setting = Setting(
        model, torch.device("cuda" if cuda else "cpu"), torch.bfloat16 if cuda else torch.float32, share, changes
    )
    numbers = work(setting, max(1.0, limit - SPARE))
    return {
        "part": name,
        "model": model,
        "share": share,
        **numbers,
        "date": str(date.today()),
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def start_part(model: str, name: str, limit: float, changes: list[str]) -> dict[str, Any]:
    """One part in a process of its own: an error or a limit passed is a result too."""
    command = [sys.executable, __file__, "--model", model, "--part", name, "--limit", str(limit)]
    command += [word for change in changes for word in ("--set", change)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    base = {"part": name, "model": model, "date": str(date.today())}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {**base, "not_finished": f"{limit:.0f} s, model and imports included"}
    if done.returncode:
        return {**base, "failed": done.stderr.strip()[-2000:]}
    # Engines print to the same stream, also when they end.
    found: dict[str, Any] = json.loads(next(s for s in reversed(done.stdout.splitlines()) if s.startswith('{"part"')))
    return found


def measure(args: argparse.Namespace, parts: Path) -> None:
    from gpu_phases import PARTS, SMALL

    names = args.phases.split(",") if args.phases else list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"unknown phase {unknown[0]}: one of {', '.join(PARTS)}")
    parts.mkdir(parents=True, exist_ok=True)
    models = ["tiny"] if args.tiny else [args.model] if args.model else MODELS
    for name in names:
        for model in models:
            if model != "tiny" and (name in SMALL) != (model == "small"):
                continue
            path = parts / f"{model}.{name}.json"
            if path.exists() and not args.again and "failed" not in json.loads(path.read_text()):
                continue
            if args.tiny:
                found = run_part(model, name, args.limit, parse_changes(args.set))
            else:
                found = start_part(model, name, args.limit, args.set)
            path.write_text(json.dumps(found, indent=1))
            print(json.dumps(found), flush=True)


def parse_changes(assignments: list[str]) -> dict[str, Any]:
    from tersely.config import set_key

    changes: dict[str, Any] = {}
    for assignment in assignments:
        set_key(changes, assignment)
    return changes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=[*MODELS, "tiny"])
    parser.add_argument("--phases", help="comma-separated; default all")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the learner")
    parser.add_argument("--limit", type=float, default=540.0, help="seconds a part may take")
    parser.add_argument("--again", action="store_true", help="measure parts that have a result, too")
    parser.add_argument("--tiny", action="store_true", help="a toy on the CPU: says nothing about speed")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of gpu.md, gpu.json and gpu_parts/")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args()
    import torch

    if args.part:
        print(json.dumps(run_part(args.model, args.part, args.limit, parse_changes(args.set))))
        return
    if not torch.cuda.is_available() and not args.tiny:
        print("not measured: no GPU")
        return
    if args.tiny and args.out == HERE / "results":
        raise SystemExit("--tiny needs --out: a toy's numbers are no results")
    measure(args, args.out / "gpu_parts")
    from gpu_table import write_results

    write_results(args.out, " ".join(["python", "benchmarks/gpu.py", *sys.argv[1:]]))
    print((args.out / "gpu.md").read_text())


if __name__ == "__main__":
    main()
