"""The records that every published number is computed from: how they lie on disk, and how they are read again.

::

    records/NAME/problems.csv.gz          number, id, difficulty: the problems that were asked
    records/NAME/responses-seed-S.csv.gz  a response a line: run, problem (its number), sample, tokens, status, finish,
                                          checks (phrases of checking and turning back), after (share of the response
                                          behind the first statement of its right answer)
    records/NAME/steps.csv.gz             a step of training a line, numbers to six digits
    records/NAME/runs.json                commit, commands from nothing, versions; for every run its configuration, the
                                          SHA-256 of its weights and what it cost
    records/{decoding,mixes}              responses alone, to the problems of ``comparison`` and by its models

``run`` is the name of a run folder; ``base@repeat-1`` is the base asked once more, ``alpha-0.2@step-000010`` a
checkpoint, ``iterated-sft-3e-4/round-2`` what its second round led to. The same runs give the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from tersely.analysis import count_behaviours
from tersely.analysis.overthinking import read_texts
from tersely.records import EvalRecord, Finish, Status

RESPONSE = ("run", "problem", "sample", "tokens", "status", "finish", "checks", "after")
PROBLEM = ("number", "id", "difficulty")


@dataclass(frozen=True, slots=True)
class Response:
    """One response, as far as the published numbers need it."""

    record: EvalRecord
    """Without question, answer and text."""
    checks: int
    after: float


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Compressed, and without a name or a time in it, so that the same rows are the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))


def response_rows(run: str, records: Sequence[EvalRecord], numbers: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    """The lines of one run, in the order of its file."""
    readings = read_texts(records)
    for r in records:
        after = readings[r.problem_id, r.sample].share_after
        counts = count_behaviours(r.text)
        checks = counts["verification"] + counts["backtracking"]
        finish = r.finish.value
        yield run, numbers[r.problem_id], r.sample, r.tokens, r.status.value, finish, checks, f"{after:.4f}"


def write_responses(
    where: Path, seeds: Mapping[int, Sequence[tuple[str, Sequence[EvalRecord]]]], numbers: Mapping[str, int]
) -> None:
    """The (run, responses) of every seed, a file each."""
    where.mkdir(parents=True, exist_ok=True)
    for seed, runs in seeds.items():
        rows = (row for name, records in runs for row in response_rows(name, records, numbers))
        write_csv(where / f"responses-seed-{seed}.csv.gz", RESPONSE, rows)


def write_about(where: Path, commit: str, commands: Sequence[str], versions: Mapping[str, Any], **more: Any) -> None:
    """runs.json: what made the records of a folder."""
    made = {"date": str(date.today()), "commit": commit, "commands": list(commands), "versions": dict(versions)}
    text = json.dumps({**made, "machine": f"{os.cpu_count()} cores", **more}, indent=1, sort_keys=True)
    (where / "runs.json").write_text(text + "\n", encoding="utf-8")


class Records:
    """A folder of records, read as far as it is asked for; ``beside``: further responses to its problems."""

    def __init__(self, folder: Path, *beside: Path) -> None:
        self.folder, self.beside = folder, beside

    @cached_property
    def about(self) -> dict[str, Any]:
        """runs.json."""
        found: dict[str, Any] = json.loads((self.folder / "runs.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def problems(self) -> dict[str, tuple[str, str | None]]:
        """Number -> (id, difficulty)."""
        rows = read_csv(self.folder / "problems.csv.gz")
        return {row["number"]: (row["id"], row["difficulty"] or None) for row in rows}

    @property
    def numbers(self) -> dict[str, int]:
        """Id of a problem -> its number."""
        return {name: int(number) for number, (name, _) in self.problems.items()}

    @cached_property
    def seeds(self) -> dict[int, dict[str, list[Response]]]:
        """Seed -> run -> its responses."""
        found: dict[int, dict[str, list[Response]]] = {}
        for path in sorted(p for place in (self.folder, *self.beside) for p in place.glob("responses-seed-*.csv.gz")):
            runs = found.setdefault(int(path.name.removeprefix("responses-seed-").partition(".")[0]), {})
            for row in read_csv(path):
                runs.setdefault(row["run"], []).append(self._response(row))
        return found

    def _response(self, row: Mapping[str, str]) -> Response:
        problem, difficulty = self.problems[row["problem"]]
        status, finish = Status(row["status"]), Finish(row["finish"])
        correct = status is Status.CORRECT and finish is Finish.EOS
        sample, tokens = int(row["sample"]), int(row["tokens"])
        record = EvalRecord(problem, "", "", difficulty, sample, status, correct, tokens, finish, None, "")
        return Response(record, int(row["checks"]), float(row["after"]))

    def steps(self) -> Iterator[dict[str, str]]:
        return read_csv(self.folder / "steps.csv.gz")
