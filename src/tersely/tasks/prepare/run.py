"""``tersely prepare`` from end to end: read, select, report, write FILE.jsonl and its two reports beside it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tersely import __version__
from tersely.errors import UserError
from tersely.records import Problem
from tersely.runs import disk
from tersely.tasks.prepare.inputs import Input, read_evaluation, read_training, refuse_evaluation_sets
from tersely.tasks.prepare.page import markdown
from tersely.tasks.prepare.report import (
    Output,
    Report,
    Versions,
    count_by_source,
    draw_examples,
    find_near_duplicates,
    find_overlaps,
)
from tersely.tasks.prepare.select import Selection, select
from tersely.tasks.prepare.settings import OverlapRule, Settings
from tersely.tasks.sources import CheckGolds
from tersely.tasks.sources.hub import Named, parse_name, read_hub

TEMPLATED = frozenset({"logical_deduction"})
"""Named tasks whose problems are made from templates: their overlap rule is EQUAL unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is prepared from what. Example: ``Preparation("numina", Path("train.jsonl"), Settings(3200))``."""

    name: str
    """A named task or a JSONL file."""
    out: Path
    settings: Settings
    data: Sequence[str] = ()
    """JSONL files in place of the hub."""
    exclude: Sequence[str] | None = None
    """Evaluation sets to keep out; None: the usual ones, ["none"]: none at all."""
    revision: str | None = None
    force: bool = False
    """Replace a file of other content."""
    command: str = ""
    """As the report tells it."""


def prepare(request: Preparation, check_golds: CheckGolds) -> Report:
    """Write the file and its two reports. UserError, and nothing written, if anything is wrong."""
    if request.out.suffix != ".jsonl":
        raise UserError(f"--out {request.out} must end in .jsonl: it is the task file that train and evaluate read")
    training = read_training(request.name, request.data, request.revision)
    evaluation = read_evaluation(request.name, request.exclude, request.revision)
    refuse_evaluation_sets(training, evaluation)
    selection = select(_problems(training), _problems(evaluation), request.settings, check_golds)
    content = task_file(selection.kept)
    report = _report(request, training, evaluation, selection, content)
    _write(request, content, report)
    return report


def load_raw(named: Named, size: int | None, check_golds: CheckGolds | None) -> list[Problem]:
    """Training problems of a raw named task: what ``prepare`` with its defaults keeps, without a report."""
    training = read_hub(named, "train")
    evaluation = read_evaluation(named.name, None, None)
    return select(training.problems, _problems(evaluation), Settings(size), check_golds).kept


def usual_overlap(name: str) -> OverlapRule:
    """The overlap rule of a task where the user names none."""
    named = parse_name(name)
    return OverlapRule.EQUAL if named is not None and named.name in TEMPLATED else OverlapRule.NGRAMS


def _problems(inputs: Sequence[Input]) -> list[Problem]:
    return [problem for given in inputs for problem in given.problems]


def task_file(kept: Sequence[Problem]) -> bytes:
    """One problem a line, as ``sources.files`` reads it back to the same ids. Further columns are not kept."""
    rows = [
        {
            "id": problem.id,
            "problem": problem.question,
            "answer": problem.gold,
            "kind": problem.kind,
            "source": problem.source,
            "difficulty": problem.difficulty,
        }
        for problem in kept
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _report(
    request: Preparation, training: Sequence[Input], evaluation: Sequence[Input], selection: Selection, content: bytes
) -> Report:
    return Report(
        task=request.name,
        command=request.command,
        settings=request.settings,
        versions=_versions(),
        data=[given.origin for given in training],
        excluded=[given.origin for given in evaluation],
        output=Output(str(request.out), hashlib.sha256(content).hexdigest(), len(selection.kept)),
        passed=len(selection.passed),
        by_source=count_by_source(training, selection),
        overlaps=find_overlaps(selection.dropped, evaluation),
        near_duplicates=find_near_duplicates(selection.kept),
        examples=draw_examples(selection.dropped, request.settings.seed),
    )


def _versions() -> Versions:
    return Versions(__version__, platform.python_version(), _version("math-verify"), _version("datasets"))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _write(request: Preparation, content: bytes, report: Report) -> None:
    """Reports first, the task file last: where it is, its report is. Each replaces its old self at once."""
    out = request.out
    if out.exists() and not request.force and out.read_bytes() != content:
        raise UserError(
            f"{out} is there already with other content: choose another --out, or add --force to replace it"
        )
    disk.make_dir(out.parent)
    disk.write_json_atomic(out.with_suffix(".report.json"), report.to_json())
    disk.replace_file(out.with_suffix(".report.md"), markdown(report).encode())
    disk.replace_file(out, content)
