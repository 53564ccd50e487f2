"""What ``tersely prepare`` writes: the task file, a JSON report for machines and a short one for people."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely import __version__
from tersely.errors import UserError
from tersely.records import Problem
from tersely.runs import disk
from tersely.tasks.prepare.dedup import COMMON, COVER, GRAM, NEAR, SHORT
from tersely.tasks.prepare.filters import Reason

if TYPE_CHECKING:
    from tersely.tasks.prepare.select import Dropped, Input, Selection, Settings

EXAMPLES = 20
"""Dropped problems of each reason that the report shows, drawn at random."""
LISTED = 200
"""Most near-duplicates that the report lists; all are counted."""


def output(kept: Sequence[Problem]) -> bytes:
    """The task file: one problem a line, as ``tasks.files`` reads it back to the same ids."""
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


def make_report(
    name: str,
    out: Path,
    settings: Settings,
    training: Sequence[Input],
    evaluation: Sequence[Input],
    selection: Selection,
    content: bytes,
    command: str,
) -> dict[str, Any]:
    """Everything needed to make the file again and to judge whether what was dropped was dropped rightly."""
    table = by_source(training, selection)
    return {
        "task": name,
        "command": command,
        "settings": {
            "size": settings.size,
            "seed": settings.seed,
            "numeric_only": settings.numeric_only,
            "balance": settings.balance,
            "overlap": settings.overlap,
        },
        "overlap_rule": {"gram": GRAM, "common": COMMON, "cover": COVER, "short": SHORT},
        "versions": {
            "tersely": __version__,
            "python": platform.python_version(),
            "math-verify": _version("math-verify"),
            "datasets": _version("datasets"),
        },
        "data": [given.origin for given in training],
        "excluded": [given.origin for given in evaluation],
        "output": {"file": str(out), "sha256": hashlib.sha256(content).hexdigest(), "problems": len(selection.kept)},
        "counts": {
            "read": sum(row["read"] for row in table.values()),
            "dropped": _totals(table),
            "passed": len(selection.passed),
            "kept": len(selection.kept),
        },
        "by_source": table,
        "overlaps": _overlaps(selection.dropped, evaluation),
        "near_duplicates": _near(selection.kept),
        "examples": _examples(selection.dropped, settings.seed),
    }


def by_source(training: Sequence[Input], selection: Selection) -> dict[str, dict[str, Any]]:
    """Source -> rows read, rows dropped by reason, problems that passed and that were kept. Every row counts once."""
    read: Counter[str] = Counter(problem.source for given in training for problem in given.problems)
    dropped: dict[str, Counter[str]] = defaultdict(Counter)
    for item in selection.dropped:
        dropped[item.problem.source][item.reason.value] += 1
    for given in training:
        for (source, reason), count in given.skipped.items():
            read[source] += count
            dropped[source][reason] += count
    passed = Counter(problem.source for problem in selection.passed)
    kept = Counter(problem.source for problem in selection.kept)
    return {
        source: {
            "read": read[source],
            "dropped": dict(dropped[source].most_common()),
            "passed": passed[source],
            "kept": kept[source],
        }
        for source in sorted(read)
    }


def _totals(table: dict[str, dict[str, Any]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for row in table.values():
        totals.update(row["dropped"])
    return dict(totals.most_common())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _overlaps(dropped: Sequence[Dropped], evaluation: Sequence[Input]) -> dict[str, Any]:
    """By rule and by evaluation set, and every pair, the closest first."""
    owner = [given.name for given in evaluation for _ in given.problems]
    found = [(item, item.overlap) for item in dropped if item.overlap is not None]
    found.sort(key=lambda pair: (-pair[1].cover, pair[0].problem.id))
    return {
        "by_rule": dict(Counter(overlap.rule for _, overlap in found).most_common()),
        "by_set": dict(Counter(owner[overlap.index] for _, overlap in found).most_common()),
        "near": sum(overlap.cover >= COVER for _, overlap in found),
        "pairs": [
            {
                "source": item.problem.source,
                "problem": item.problem.question,
                "set": owner[overlap.index],
                "evaluation_problem": item.detail,
                "rule": overlap.rule,
                "cover": round(overlap.cover, 3),
            }
            for item, overlap in found
        ],
    }


def _near(kept: Sequence[Problem]) -> dict[str, Any]:
    from tersely.tasks.prepare.select import near_duplicates_of

    pairs = near_duplicates_of(kept)
    if pairs is None:
        return {"pairs": None, "why": "too many kept problems to compare all of them"}
    listed = [
        {"a": a.id, "b": b.id, "cover": round(cover, 3), "question": b.question} for a, b, cover in pairs[:LISTED]
    ]
    return {"pairs": len(pairs), "cover": NEAR, "listed": listed}


def _examples(dropped: Sequence[Dropped], seed: int) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for reason in Reason:
        of_reason = [item for item in dropped if item.reason is reason]
        some = random.Random(f"examples/{seed}/{reason}").sample(of_reason, min(EXAMPLES, len(of_reason)))
        if some:
            found[reason.value] = [
                {
                    "source": i.problem.source,
                    "problem": i.problem.question,
                    "answer": i.problem.gold,
                    "detail": i.detail,
                }
                for i in some
            ]
    return found


def markdown(report: dict[str, Any]) -> str:
    """The report in short: how it was made, counts by reason, counts by source."""
    counts, made = report["counts"], report["settings"]
    inputs = [f"- {kind}: {_origin(origin)}" for kind in ("data", "excluded") for origin in report[kind]]
    reasons = [f"| {reason} | {count} |" for reason, count in counts["dropped"].items()]
    sources = [
        f"| {source} | {row['read']} | {sum(row['dropped'].values())} | {row['passed']} | {row['kept']} |"
        for source, row in report["by_source"].items()
    ]
    near = report["near_duplicates"]["pairs"]
    lines = [
        f"# Training problems from {report['task']}",
        "",
        f"{counts['kept']} problems kept of {counts['read']} rows read ({counts['passed']} passed the filters); "
        f"seed {made['seed']}, balance {made['balance']}, numbers only: {'yes' if made['numeric_only'] else 'no'}. "
        f"tersely {report['versions']['tersely']}.",
        "",
        f"Made by `{report['command']}`.",
        "",
        *inputs,
        f"- output: SHA-256 `{report['output']['sha256']}`",
        "",
        "| dropped because | rows |",
        "|---|---:|",
        *reasons,
        "",
        "| source | read | dropped | passed | kept |",
        "|---|---:|---:|---:|---:|",
        *sources,
        "",
        f"Overlaps with evaluation problems by rule: {report['overlaps']['by_rule'] or 'none'}; by set: "
        f"{report['overlaps']['by_set'] or 'none'}. Near-duplicates among the kept: "
        f"{'not looked for' if near is None else near} pairs (shared {GRAM}-grams cover {NEAR:.0%} of the shorter).",
    ]
    return "\n".join(lines) + "\n"


def _origin(origin: dict[str, Any]) -> str:
    if "file" in origin:
        return f"{origin['file']}, {origin['rows']} rows, SHA-256 `{origin['sha256']}`"
    return f"{origin['repository']} at `{origin['revision']}`, split {origin['split']}, {origin['rows']} rows"


def report_paths(out: Path) -> tuple[Path, Path]:
    """FILE.report.json and FILE.report.md beside FILE.jsonl."""
    return out.with_suffix(".report.json"), out.with_suffix(".report.md")


def write_all(out: Path, content: bytes, report: dict[str, Any], force: bool) -> None:
    """Reports first, the task file last: where it is, its report is. Each replaces its old self at once."""
    if out.exists() and not force and out.read_bytes() != content:
        raise UserError(
            f"{out} is there already with other content: choose another --out, or add --force to replace it"
        )
    as_json, as_markdown = report_paths(out)
    disk.make_dir(out.parent)
    disk.write_json_atomic(as_json, report)
    _replace(as_markdown, markdown(report).encode())
    _replace(out, content)


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    disk.write_file(beside, content)
    disk.rename(beside, path)
