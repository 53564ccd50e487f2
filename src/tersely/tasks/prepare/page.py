"""FILE.report.md: the report of ``tersely prepare`` in short, for people."""

from __future__ import annotations

from tersely.tasks.prepare.dedup import GRAM, NEAR
from tersely.tasks.prepare.inputs import FileOrigin
from tersely.tasks.prepare.report import Report
from tersely.tasks.sources.hub import HubOrigin


def markdown(report: Report) -> str:
    """How the file was made, counts by reason, counts by source."""
    settings, near = report.settings, report.near_duplicates.pairs
    inputs = [f"- data: {_origin(origin)}" for origin in report.data]
    inputs += [f"- excluded: {_origin(origin)}" for origin in report.excluded]
    lines = [
        f"# Training problems from {report.task}",
        "",
        f"{report.kept} problems kept of {report.read} rows read ({report.passed} passed the filters); "
        f"seed {settings.seed}, balance {settings.balance}, numbers only: {'yes' if settings.numeric_only else 'no'}. "
        f"tersely {report.versions.tersely}.",
        "",
        f"Made by `{report.command}`.",
        "",
        *inputs,
        f"- output: SHA-256 `{report.output.sha256}`",
        "",
        *_tables(report),
        "",
        f"Overlaps with evaluation problems by rule: {report.overlaps.by_rule or 'none'}; by set: "
        f"{report.overlaps.by_set or 'none'}. Near-duplicates among the kept: "
        f"{'not looked for' if near is None else near} pairs (shared {GRAM}-grams cover {NEAR:.0%} of the shorter).",
    ]
    return "\n".join(lines) + "\n"


def _tables(report: Report) -> list[str]:
    reasons = [f"| {reason} | {count} |" for reason, count in report.dropped.items()]
    sources = [
        f"| {source} | {row.read} | {sum(row.dropped.values())} | {row.passed} | {row.kept} |"
        for source, row in report.by_source.items()
    ]
    return [
        "| dropped because | rows |",
        "|---|---:|",
        *reasons,
        "",
        "| source | read | dropped | passed | kept |",
        "|---|---:|---:|---:|---:|",
        *sources,
    ]


def _origin(origin: FileOrigin | HubOrigin) -> str:
    if isinstance(origin, FileOrigin):
        return f"{origin.file}, {origin.rows} rows, SHA-256 `{origin.sha256}`"
    return f"{origin.repository} at `{origin.revision}`, split {origin.split}, {origin.rows} rows"
