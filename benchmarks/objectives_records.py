"""What `benchmarks/objectives.py` left, packed into the records that its page is computed from (benchmarks/packed.py).

``responses-seed-S.csv.gz``: ``run`` is ``base``, or ``kimi-0.4@step-000030``. ``steps.csv.gz``: what each run had
spent after each step. ``runs.json``: the budgets, which step of each run lies within each, and which runs lost their
model, each with the step in which they did.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pack import number_problems
from packed import PROBLEM, write_csv, write_responses

from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.runs.logs import read_log
from tersely.runs.manifest import step_folders

RECORDS = Path(__file__).parent / "records" / "objectives"
ENDS = 5
"""Steps that say how accurate a run was when it began, and when it ended."""
STEP = ("seed", "run", "step", "tokens", "seconds", "wall_seconds", "accuracy", "length", "truncated")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has cost after a step, all steps before it counted."""

    step: int
    tokens: int
    """Sampled."""
    seconds: float
    """CPU seconds of the training process."""
    wall_seconds: float


def spent(run: Path) -> list[Spent]:
    """After each step of a run, in order."""
    journal, clock = read_log(run / "journal.jsonl"), read_log(run / "clock.jsonl")
    steps = [line for line in journal if "response_tokens" in line]
    tokens = itertools.accumulate(line["response_tokens"] for line in steps)
    cpu = itertools.accumulate(line["cpu_s"] for line in clock)
    wall = itertools.accumulate(line["step_s"] for line in clock)
    return [Spent(line["step"], *rest) for line, *rest in zip(steps, tokens, cpu, wall, strict=True)]


def matched(run: Path, by: str, budget: float) -> int:
    """Step of the last checkpoint that cost no more than ``budget`` tokens or seconds (``by``); 0, the base, where none
    did."""
    cost = {one.step: getattr(one, by) for one in spent(run)}
    return max((step for step, _ in step_folders(run) if cost[step] <= budget), default=0)


def lost_at(run: Path) -> int | None:
    """The first step whose training accuracy is below half of where the run began (mean of its first ``ENDS`` steps);
    None for a run that kept its model: one that ends (mean of its last ``ENDS`` steps) no lower than that half."""
    told = {line["step"]: line["accuracy"] for line in read_log(run / "journal.jsonl") if "response_tokens" in line}
    known = {step: accuracy for step, accuracy in told.items() if accuracy is not None}
    first, last = [*known.values()][:ENDS], [*known.values()][-ENDS:]
    half = sum(first) / max(len(first), 1) / 2
    if sum(last) >= half * len(last):
        return None
    return next(step for step, accuracy in known.items() if accuracy < half)


def member(name: str, step: int) -> str:
    """What the records call a checkpoint of a run."""
    return f"{name}@step-{step:06d}" if step else "base"


def pack(
    out: Path,
    tree: Path,
    seeds: Sequence[int],
    at: Mapping[tuple[int, str], Mapping[str, int]],
    within: Mapping[str, float],
    commit: str | None,
) -> None:
    """Fill ``out`` with all that is measured; ``at`` says which step of each run lies within each budget."""
    out.mkdir(parents=True, exist_ok=True)
    found = {seed: dict(measured(tree / f"seed-{seed}" / "matched")) for seed in seeds}
    held = {seed: {name: e.responses() for name, e in evaluations.items()} for seed, evaluations in found.items()}
    numbers = number_problems([list(records) for runs in held.values() for records in runs.values()])
    rows = [(number, name, difficulty) for name, (number, difficulty) in numbers.items()]
    write_csv(out / "problems.csv.gz", PROBLEM, rows)
    plain = {name: number for name, (number, _) in numbers.items()}
    write_responses(out, {seed: list(runs.items()) for seed, runs in held.items()}, plain)
    write_csv(out / "steps.csv.gz", STEP, (row for key in at for row in step_rows(tree, *key)))
    first = next(iter(next(iter(found.values())).values()))
    content = json.dumps(about(first, at, within, lost_runs(tree, at), commit), indent=1, sort_keys=True)
    (out / "runs.json").write_text(content + "\n", encoding="utf-8")


def measured(place: Path) -> Iterator[tuple[str, Evaluation]]:
    """(name in the records, evaluation) of all that is finished below a seed's folder."""
    for summary in sorted(place.glob("*/*/arithmetic/summary.json")):
        model, run = summary.parents[1].name, summary.parents[2].name
        yield "base" if run == "base" else f"{run}@{model}", read_evaluation(summary.parent)


def run_folder(tree: Path, seed: int, name: str) -> Path:
    return tree / f"seed-{seed}" / name


def lost_runs(tree: Path, runs: Iterable[tuple[int, str]]) -> dict[str, int]:
    """``seed-S/name`` of each run that lost its model -> the step in which it did."""
    found = {f"seed-{seed}/{name}": lost_at(run_folder(tree, seed, name)) for seed, name in runs}
    return {key: step for key, step in found.items() if step is not None}


def step_rows(tree: Path, seed: int, name: str) -> Iterator[tuple[Any, ...]]:
    run = run_folder(tree, seed, name)
    journal = {line["step"]: line for line in read_log(run / "journal.jsonl") if "response_tokens" in line}
    for one in spent(run):
        told = [journal[one.step][key] for key in ("accuracy", "length", "truncated")]
        short = ["" if value is None else f"{value:.6g}" for value in told]
        yield seed, name, one.step, one.tokens, f"{one.seconds:.1f}", f"{one.wall_seconds:.1f}", *short


def about(
    first: Evaluation,
    at: Mapping[tuple[int, str], Mapping[str, int]],
    within: Mapping[str, float],
    lost: Mapping[str, int],
    commit: str | None,
) -> dict[str, Any]:
    return {
        "commit": commit,
        "command": "python benchmarks/objectives.py",
        "versions": dict(first.versions),
        "machine": f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}",
        "protocol": {k: v for k, v in first.protocol.to_json().items() if k not in ("model", "step")},
        "budgets": {by: round(float(value), 1) for by, value in within.items()},
        "steps": {f"seed-{seed}/{name}": dict(steps) for (seed, name), steps in at.items()},
        "lost": dict(lost),
    }
