"""What `benchmarks/tune.py` left, as the records that benchmarks/results/tune.md is computed from.

::

    records/tune/problems.csv.gz         number, id, difficulty of the further problems
    records/tune/measured-seed-S.csv.gz  a problem a line for every model and temperature: model, temperature, problem
                                         (its number), right, judged, tokens of each response
    records/tune/runs.json               commit, versions, commands; for every seed what was certified, alpha and length
                                         of every step, which checkpoints screening left on the frontier, what each part
                                         cost

The same runs give the same bytes. Only seeds whose targets are all chosen and measured go in.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from packed import read_csv, write_csv
from tune import ALPHAS, TEMPERATURES, Place, screened

from tersely.evaluation.records import SUMMARY, read_evaluation, read_responses
from tersely.models.environment import environment
from tersely.records import JsonObject
from tersely.runs.logs import read_log
from tersely.tune.found import CERTIFICATES, MEASURED, RUN, read_screen
from tersely.tune.measured import BASE, Measured

RECORDS = Path(__file__).parent / "records" / "tune"
PROBLEM = ("number", "id", "difficulty")
ANSWERED = ("model", "temperature", "problem", "right", "judged", "tokens")
KEPT = (
    "verdict",
    "member",
    "confidence",
    "target",
    "trials",
    "problems_that_would_decide",
    "length",
    "length_problems",
)
"""Of a certificate."""


# ---- packing


def pack(places: Sequence[Place], out: Path, commit: str) -> list[int]:
    """Write the records of the seeds that are whole; returns which those are."""
    whole = [at for at in places if is_whole(at)]
    if not whole:
        raise SystemExit("not one seed is whole: run benchmarks/tune.py first")
    out.mkdir(parents=True, exist_ok=True)
    asked = {r.problem_id: r.difficulty for r in read_responses(whole[0].measured(TEMPERATURES[0], whole[0].base))}
    numbers = {name: number for number, name in enumerate(asked)}
    write_csv(out / "problems.csv.gz", PROBLEM, [(numbers[name], name, level) for name, level in asked.items()])
    for at in whole:
        rows = (row for found in measured_of(at) for row in answered_rows(*found, list(numbers)))
        write_csv(out / f"measured-seed-{at.seed}.csv.gz", ANSWERED, rows)
    about = {
        "commit": commit,
        "commands": [f"python benchmarks/tune.py --seeds {','.join(str(at.seed) for at in whole)}"],
        "versions": dict(environment()),
        "machine": f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}",
        "seeds": {str(at.seed): about_seed(at) for at in whole},
    }
    (out / "runs.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return [at.seed for at in whole]


def is_whole(at: Place) -> bool:
    """Whether every target is chosen for and every chosen model measured."""
    if not (at.tune / RUN / "done.json").is_file():
        return False
    if not all((at.tune / CERTIFICATES / f"{name}.json").is_file() for name in at.targets()):
        return False
    return all((at.measured(TEMPERATURES[0], model) / SUMMARY).is_file() for model in (at.base, *at.chosen()))


def measured_of(at: Place) -> Iterator[tuple[str, float, Path]]:
    """(model, temperature, folder) of every finished measurement on the further problems."""
    for temperature in TEMPERATURES:
        for folder in sorted((at.folder / f"fresh-{temperature:g}").glob(f"*/{at.fresh.stem}")):
            if (folder / SUMMARY).is_file():
                yield folder.parent.name, temperature, folder


def answered_rows(model: str, temperature: float, folder: Path, order: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """A line a problem, as many as were asked."""
    asked = order[: read_evaluation(folder).protocol.size]
    found = Measured.of_records(model, 0, read_responses(folder), asked)
    for number, (right, judged, tokens) in enumerate(zip(found.right_P, found.judged_P, found.tokens_PK, strict=True)):
        yield model, f"{temperature:g}", number, right, judged, " ".join(map(str, tokens))


def about_seed(at: Place) -> JsonObject:
    certificates = {name: at.certificate(name) for name in at.targets()}
    there = [alpha for alpha in ALPHAS if (at.fixed(alpha) / "done.json").is_file()]
    return {
        "targets": {name: {key: one[key] for key in KEPT} for name, one in certificates.items()},
        "screened": [folder.name for folder in screened(at)],
        "path": [[line["step"], line["alpha"], line["length"]] for line in read_log(at.tune / RUN / "journal.jsonl")],
        "cost": {
            "training": training_cost(at.tune / RUN),
            "screening": sum(sum(map(sum, one.tokens_PK)) for one in read_screen(at.tune / RUN)),
            "mixes": sampled_in(at.tune / MEASURED / "screen"),
            "test": sampled_in(at.tune / MEASURED / "test"),
            "last_word": sampled_in(at.tune / MEASURED / "last_word"),
        },
        "fixed": {f"{alpha:g}": training_cost(at.fixed(alpha)) for alpha in there},
    }


def training_cost(run: Path) -> JsonObject:
    """Sampled tokens by the journal; seconds by the clock, at the median pace of its steps: a step may have waited."""
    tokens_S = np.array([line["response_tokens"] for line in read_log(run / "journal.jsonl")], dtype=np.float64)
    clock = read_log(run / "clock.jsonl")[: tokens_S.size]
    paces = {key: np.array([line[key] for line in clock]) / tokens_S for key in ("step_s", "sample_s")}
    return {
        "steps": int(tokens_S.size),
        "tokens": int(tokens_S.sum()),
        "seconds": round(float(np.median(paces["step_s"]) * tokens_S.sum()), 1),
        "sampling_us_per_token": round(float(np.median(paces["sample_s"])) * 1e6, 1),
    }


def sampled_in(folder: Path) -> int:
    """Tokens of all responses that were evaluated below a folder."""
    return sum(r.tokens for path in sorted(folder.glob("*/*/responses.jsonl")) for r in read_responses(path.parent))


# ---- reading


@dataclass(frozen=True)
class TuneRecords:
    """A folder of these records."""

    folder: Path = RECORDS

    @cached_property
    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "runs.json").read_text(encoding="utf-8"))
        return found

    @property
    def seeds(self) -> list[int]:
        return sorted(map(int, self.about["seeds"]))

    def of_seed(self, seed: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.about["seeds"][str(seed)]
        return found

    def measured(self, seed: int, model: str, temperature: float = TEMPERATURES[0]) -> Measured | None:
        """A model on the further problems, in their order; None where it was not measured."""
        return self._measured[seed].get((model, f"{temperature:g}"))

    def base(self, seed: int) -> Measured:
        found = self.measured(seed, BASE)
        assert found is not None
        return found

    @cached_property
    def _measured(self) -> dict[int, dict[tuple[str, str], Measured]]:
        return {seed: dict(_read(self.folder / f"measured-seed-{seed}.csv.gz")) for seed in self.seeds}


def _read(path: Path) -> Iterator[tuple[tuple[str, str], Measured]]:
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_csv(path):
        rows.setdefault((row["model"], row["temperature"]), []).append(row)
    for (model, temperature), of_it in rows.items():
        right, judged = (tuple(int(row[name]) for row in of_it) for name in ("right", "judged"))
        tokens = tuple(tuple(map(int, row["tokens"].split())) for row in of_it)
        yield (model, temperature), Measured(model, 0, None, right, judged, tokens)
