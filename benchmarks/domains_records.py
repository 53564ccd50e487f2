"""What `benchmarks/domains.py` left, as the records that benchmarks/results/domains.md is computed from.

::

    records/domains/TASK/problems.csv.gz          number, id, difficulty, question of the further problems
    records/domains/TASK/responses-seed-S.csv.gz  a response a line: run, problem (its number), sample, tokens, status,
                                                  finish, habits (how often each of ``toy.reasoners``' behaviours shows)
    records/domains/TASK/steps.csv.gz             a step of reinforcement learning a line
    records/domains/TASK/runs.json                commit, versions, what the gate saw of each base, CPU seconds of each
                                                  run, and what the ramp's certificate says

``run`` is the name of a run folder; ``base@budget-40`` the base whose thinking is ended after 40 tokens,
``ramp/step-000060`` a checkpoint of the ramp, ``both/countdown-alpha-0`` a model whose base learnt both tasks. The
same runs give the same bytes.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from domains import Place
from packed import read_csv, write_csv

from tersely.errors import UserError
from tersely.evaluation.records import SUMMARY, Evaluation, read_evaluation
from tersely.records import EvalRecord, Finish, JsonObject, Kind, Problem, Status
from tersely.runs.logs import read_log
from tersely.toy.reasoners import REASONERS
from tersely.tune.found import CERTIFICATES, RUN

RECORDS = Path(__file__).parent / "records" / "domains"
PROBLEM = ("number", "id", "difficulty", "question")
RESPONSE = ("run", "problem", "sample", "tokens", "status", "finish", "habits")
STEP = ("seed", "run", "step", "alpha", "accuracy", "length", "truncated", "kl", "response_tokens")
KEPT = ("verdict", "member", "confidence", "target", "trials", "problems_that_would_decide")
"""Of a certificate."""


DIGEST = r"-[0-9a-f]{6}-"
"""Of the words that end thinking, within the name of such a point."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response, as far as the page needs it."""

    record: EvalRecord
    """Without question, answer and text."""
    habits: tuple[int, ...]
    """How often each behaviour of the task shows, in the order of the reasoner's own."""


# ---- packing


def pack(places: Sequence[Place], out: Path, commit: str) -> None:
    """All that is finished of one task; UserError where nothing is."""
    task = places[0].task
    found = {at.seed: dict(measured(at)) for at in places}
    if not any(found.values()):
        raise UserError(f"nothing of {task} is measured yet: run benchmarks/domains.py before its records are made")
    responses = {seed: {name: e.responses() for name, e in runs.items()} for seed, runs in found.items()}
    asked = {r.problem_id: r for runs in responses.values() for records in runs.values() for r in records}
    numbers = {name: number for number, name in enumerate(asked)}
    out.mkdir(parents=True, exist_ok=True)
    rows = [(numbers[name], name, r.difficulty, r.question) for name, r in asked.items()]
    write_csv(out / "problems.csv.gz", PROBLEM, rows)
    for old in out.glob("responses-seed-*.csv.gz"):
        old.unlink()  # its problems may have had other numbers
    for seed, runs in responses.items():
        lines = [line(name, r, numbers, task) for name, records in runs.items() for r in records]
        write_csv(out / f"responses-seed-{seed}.csv.gz", RESPONSE, lines)
    write_csv(out / "steps.csv.gz", STEP, [row for at in places for row in step_rows(at)])
    versions = next(iter(next(runs for runs in found.values() if runs).values())).versions
    about = {
        "commit": commit,
        "command": f"python benchmarks/domains.py --tasks {task}",
        "versions": dict(versions),
        "machine": f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}",
        "seeds": {str(at.seed): about_base(at) for at in places if (at.base / "done.json").is_file()},
    }
    (out / "runs.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def measured(at: Place) -> Iterator[tuple[str, Evaluation]]:
    """(name in the records, evaluation) of all that is finished on the further problems."""
    for summary in sorted(at.folder.glob(f"*/evaluation/{at.problems.stem}*/{SUMMARY}")):
        run, point = summary.parents[2].name, summary.parent.name.removeprefix(at.problems.stem)
        yield f"{run}{re.sub(DIGEST, '-', point)}", read_evaluation(summary.parent)
    for summary in sorted((at.folder / "ramp").glob(f"*/{at.problems.stem}/{SUMMARY}")):
        yield f"ramp/{summary.parents[1].name}", read_evaluation(summary.parent)
    for summary in sorted(at.of_both.glob(f"*/evaluation/{at.task}/*/{at.problems.stem}/{SUMMARY}")):
        yield f"both/{summary.parents[1].name}", read_evaluation(summary.parent)


def line(run: str, r: EvalRecord, numbers: dict[str, int], task: str) -> tuple[Any, ...]:
    counts = REASONERS[task].behaviours(r.text)
    habits = " ".join(str(times) for times in counts.values())
    return run, numbers[r.problem_id], r.sample, r.tokens, r.status.value, r.finish.value, habits


def runs_of(at: Place) -> Iterator[tuple[str, Path]]:
    """(name, folder) of the finished runs by reinforcement learning, the ramp's last."""
    for run in (*sorted(at.folder.glob("a*-*")), at.tune / RUN):
        if (run / "done.json").is_file():
            yield ("tune" if run.name == RUN else run.name), run


def step_rows(at: Place) -> Iterator[tuple[Any, ...]]:
    for name, run in runs_of(at):
        for step in read_log(run / "journal.jsonl"):
            if "response_tokens" in step:
                told = [step.get(key) for key in STEP[3:-1]]
                short = ["" if value is None else f"{value:.6g}" for value in told]
                yield at.seed, name, step["step"], *short, step["response_tokens"]


def about_base(at: Place) -> JsonObject:
    """Of one base and all that came of it."""
    gate = json.loads((at.base / "done.json").read_text(encoding="utf-8"))["attempts"]
    certificates = sorted((at.tune / CERTIFICATES).glob("*.json"))
    told = [json.loads(path.read_text(encoding="utf-8")) for path in certificates]
    return {
        "attempts": gate,
        "cpu_s": {
            name: round(sum(line["cpu_s"] for line in read_log(run / "clock.jsonl"))) for name, run in runs_of(at)
        },
        "certificates": [{key: one[key] for key in KEPT} for one in told],
    }


# ---- reading


class DomainRecords:
    """The records of a task, read as far as they are asked for."""

    def __init__(self, task: str, folder: Path = RECORDS) -> None:
        self.task, self.folder = task, folder / task

    @cached_property
    def about(self) -> dict[str, Any]:
        """runs.json."""
        found: dict[str, Any] = json.loads((self.folder / "runs.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def problems(self) -> dict[str, Problem]:
        """Number -> problem, without its answer."""
        rows = read_csv(self.folder / "problems.csv.gz")
        kind = Kind.EXACT  # nothing is judged here
        return {
            row["number"]: Problem(row["id"], row["question"], None, kind, self.task, row["difficulty"]) for row in rows
        }

    @cached_property
    def seeds(self) -> dict[int, dict[str, list[Response]]]:
        """Seed -> run -> its responses."""
        found: dict[int, dict[str, list[Response]]] = {}
        for path in sorted(self.folder.glob("responses-seed-*.csv.gz")):
            runs = found.setdefault(int(path.name.removeprefix("responses-seed-").partition(".")[0]), {})
            for row in read_csv(path):
                runs.setdefault(row["run"], []).append(self._response(row))
        return found

    def _response(self, row: dict[str, str]) -> Response:
        problem, status, finish = self.problems[row["problem"]], Status(row["status"]), Finish(row["finish"])
        right = status is Status.CORRECT and finish is Finish.EOS
        sample, tokens = int(row["sample"]), int(row["tokens"])
        record = EvalRecord(problem.id, "", "", problem.difficulty, sample, status, right, tokens, finish, None, "")
        return Response(record, tuple(int(times) for times in row["habits"].split()))

    @property
    def habits(self) -> list[str]:
        """Names of the behaviours, in the order of ``Response.habits``."""
        return list(REASONERS[self.task].behaviours(""))
