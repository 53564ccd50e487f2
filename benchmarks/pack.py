"""Packs what `benchmarks/compare.py` left into the records from which every published number is computed.

    python benchmarks/pack.py runs/compare --commit 33af81e    # fills benchmarks/records/comparison

``--commit`` names the code that made the runs. Only finished evaluations go in, so it may run while others are being
made. What the records hold: benchmarks/packed.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import compare
from packed import PROBLEM, write_csv, write_responses

from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.models.digest import weights_digest
from tersely.models.folder import resolve_model
from tersely.records import EvalRecord
from tersely.runs.identity import read_run_config
from tersely.runs.logs import read_log

RECORDS = Path(__file__).parent / "records" / "comparison"
TASK = "arithmetic"
STEP = (
    "seed", "run", "step", "event", "accuracy", "length", "length_correct", "length_wrong", "truncated", "kl",
    "entropy", "clip_fraction", "grad_norm", "loss", "learning_rate", "response_tokens",
)  # fmt: skip
"""Columns of steps.csv.gz, empty where a method's journal does not have them."""
SPENT = ("tokens_sampled", "tokens_trained", "response_tokens_trained", "sample_s", "step_s")
NOT_KEPT = ("prompts_sha256", "architecture_sha256", "chat_template_sha256", "end_ids")


def finished(folder: Path) -> Iterator[tuple[str, Evaluation]]:
    """(name of the run in the records, evaluation) of all that is finished below a seed's folder."""
    for run in sorted(path.parent for path in (*folder.glob("*/evaluation"), *folder.glob("*/round-*/evaluation"))):
        for place in sorted((run / "evaluation").glob(f"{TASK}*")):
            if (place / "summary.json").is_file():
                yield f"{run.relative_to(folder)}{place.name.removeprefix(TASK)}", read_evaluation(place)


def seed_of(folder: Path) -> int:
    """Of the folder of a seed."""
    return int(folder.name.removeprefix("seed-"))


def runs_of(folder: Path) -> list[Path]:
    """The finished run folders of a seed."""
    found = sorted(path for path in folder.iterdir() if read_run_config(path) is not None)
    return [run for run in found if (run / "done.json").is_file() or any(run.glob("evaluation/*/summary.json"))]


def pack(tree: Path, out: Path, commit: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    found = {folder: list(finished(folder)) for folder in sorted(tree.glob("seed-*"))}
    held = {folder: [(name, e.responses()) for name, e in evaluations] for folder, evaluations in found.items()}
    problems = number_problems([records for runs in held.values() for _, records in runs])
    write_csv(out / "problems.csv.gz", PROBLEM, [(n, name, level) for name, (n, level) in problems.items()])
    numbers = {name: number for name, (number, _) in problems.items()}
    write_responses(out, {seed_of(folder): runs for folder, runs in held.items()}, numbers)
    write_csv(out / "steps.csv.gz", STEP, (row for folder in found for row in step_rows(folder)))
    text = json.dumps(about(found, commit), indent=1, sort_keys=True)
    (out / "runs.json").write_text(text + "\n", encoding="utf-8")


def number_problems(evaluations: Sequence[Sequence[EvalRecord]]) -> dict[str, tuple[int, str | None]]:
    """Id -> (number, difficulty), in the order in which they are met."""
    found: dict[str, tuple[int, str | None]] = {}
    for records in evaluations:
        for record in records:
            found.setdefault(record.problem_id, (len(found), record.difficulty))
    return found


def step_rows(folder: Path) -> Iterator[list[Any]]:
    """Training, step by step, of every finished run of a seed."""
    seed = seed_of(folder)
    for run in runs_of(folder):
        if (run / "journal.jsonl").is_file():
            for line in read_log(run / "journal.jsonl"):
                yield [short({**line, "seed": seed, "run": run.name}.get(column, "")) for column in STEP]


def short(value: Any) -> Any:
    """To six digits; nothing for None."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def about(found: dict[Path, list[tuple[str, Evaluation]]], commit: str) -> dict[str, Any]:
    evaluations = [e for runs in found.values() for _, e in runs]
    return {
        "commit": commit,
        "commands": commands(),
        "versions": dict(evaluations[0].versions),
        "machine": f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}",
        "protocol": {k: v for k, v in evaluations[0].protocol.to_json().items() if k not in ("model", "step")},
        "runs": {f"{folder.name}/{run.name}": about_run(run) for folder in found for run in runs_of(folder)},
    }


def about_run(run: Path) -> dict[str, Any]:
    """Which run it is, which weights it ended with, and what training cost."""
    identity = read_run_config(run)
    assert identity is not None
    clock = read_log(run / "clock.jsonl") if (run / "clock.jsonl").is_file() else []
    cost = {key: sum(line.get(key, 0) for line in clock) for key in SPENT}
    if identity.kind == "train":  # every sampled response is learnt from once
        cost["tokens_sampled"] = sum(line["response_tokens"] for line in read_log(run / "journal.jsonl"))
        cost["response_tokens_trained"] = cost["tokens_sampled"]
    has_weights = any(run.glob("checkpoints/step-*"))
    return {
        "kind": identity.kind,
        "config": without_places({k: v for k, v in identity.config.items() if k not in NOT_KEPT}),
        "weights_sha256": weights_digest(resolve_model(run)) if has_weights else None,
        "cost": {key: round(value, 1) for key, value in cost.items()},
    }


def without_places(value: Any) -> Any:
    """Paths of the tree as they stand in the commands."""
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    return re.sub(r"^.*/(?=seed-\d+/)", "runs/compare/", value) if isinstance(value, str) else value


def commands() -> list[str]:
    """From nothing to the page, one after the other, as `benchmarks/compare.py` runs them."""
    out, found = Path("runs/compare"), []
    for seed in compare.SEEDS:
        folder = out / f"seed-{seed}"
        found.append(compare.base(folder, seed).text)
        for part in (compare.around, compare.family, compare.alternatives, compare.ablations):
            found += [command.text for chain in part(folder, seed) for command in chain.commands]
    return [*found, "tersely compare runs/compare/seed-*/* --out runs/compare/page"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--out", type=Path, default=RECORDS)
    args = parser.parse_args()
    pack(args.tree, args.out, args.commit)
    for path in sorted(args.out.iterdir()):
        print(f"{path.stat().st_size:>9,} {path}")


if __name__ == "__main__":
    main()
