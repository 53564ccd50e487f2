"""Write a comparison: one self-contained page, the same as Markdown, tables as CSV, figures as SVG, PDF and PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib

from tersely.analysis.aggregate import mean_of_ratios
from tersely.compare.blocks import Block, comparison_blocks, published_blocks
from tersely.compare.collect import collect
from tersely.compare.looks import dataset_looks, make_looks
from tersely.compare.published import published_standings, read_published
from tersely.compare.records import Comparison, Role
from tersely.compare.standings import RULE, standings
from tersely.compare.words import findings, headline, monotone, warnings
from tersely.report.output import environment, merged_versions, render_figure, require_own, write_folder
from tersely.report.style import RC, Look, inline_svg, variables
from tersely.report.tables import Table
from tersely.report.text import place
from tersely.terminal import visible

PAGE, MARKDOWN = "index.html", "compare.md"
OWN = {PAGE, MARKDOWN, "figures", "tables"}
ENDINGS = ("svg", "pdf", "png")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A block as it stands in the page."""

    block: Block
    svg: str | None


def write_comparison(
    runs: Sequence[Path],
    base: Path | None,
    out: Path,
    *,
    price: float | None = None,
    gpu_hour: float | None = None,
    allow_mixed: bool = False,
    with_ablations: bool = False,
    commands: Sequence[str] = (),
) -> Path:
    """Compare run folders; returns the page ``out/index.html``.

    ``price`` is that of a million generated tokens and ``gpu_hour`` that of an hour of the machine, in one currency.
    ``with_ablations`` draws departures from the family on the frontier too. Nothing is written before everything
    could be read. See ``collect`` for what is refused.
    """
    require_own(out, OWN, "comparison")
    comparison = replace(collect(runs, base, allow_mixed), with_ablations=with_ablations)
    found = standings(comparison)
    listed = [(c.label, c.role, c.series, c.alpha) for c in comparison.contenders]
    looks = {**make_looks(listed), **dataset_looks(comparison.datasets)}
    with matplotlib.rc_context(RC):
        blocks = comparison_blocks(comparison, found, looks, price, gpu_hour)
        context = {
            "headline": headline(found),
            "found": findings(comparison, found),
            "warnings": warnings(comparison, found),
            "rule": RULE,
            **_made_of(comparison, commands),
        }
        return _write(out, blocks, looks, context)


def write_published(scale: str, out: Path, *, commands: Sequence[str] = ()) -> Path:
    """Draw the paper's published tables of one scale, "1.5b" or "7b", without intervals; returns the page."""
    require_own(out, OWN, "comparison")
    source = read_published(scale)
    found = published_standings(source)
    listed = [
        (r["label"], Role(r["role"]), r["series"], r.get("alpha")) for r in [*source["rows"], *source["aggregate_only"]]
    ]
    looks = {**make_looks(listed), **dataset_looks(source["sets"])}
    with matplotlib.rc_context(RC):
        context = {
            "headline": f"{source['title']} as published: {headline(found)}",
            "found": monotone(found),
            "warnings": [source["note"], _agreement(source)],
            "rule": RULE,
            "commands": [visible(command) for command in commands],
            "protocols": [],
            "versions": {"source": source["paper"]},
            "runs": [],
        }
        return _write(out, published_blocks(source, looks), looks, context)


def _agreement(source: Mapping[str, Any]) -> str:
    """Whether the mean of ratios computed from the tables by set is the one that was printed."""
    if not source["aggregate"]:
        return "The aggregate of this scale was only plotted, so it is computed here from the tables by data set."
    mine = {s.label: s for s in published_standings(source)}
    apart = [
        max(
            abs(mine[row["label"]].accuracy.value - row["accuracy"]),
            abs(mine[row["label"]].tokens.value - row["tokens"]),
        )
        for row in source["aggregate"]
        if row["label"] in mine
    ]
    return (
        f"The aggregate computed here from the tables by data set differs from the printed one by at most "
        f"{max(apart):.4f}, on average by {mean_of_ratios(apart):.4f}."
    )


def _write(out: Path, blocks: Sequence[Block], looks: Mapping[str, Look], context: Mapping[str, Any]) -> Path:
    files: dict[Path, bytes] = {}
    drawn = [_draw(block, looks, files) for block in blocks]
    for table in _tables(blocks):
        files[Path("tables") / f"{table.name}.csv"] = table.to_csv().encode(errors="backslashreplace")
    whole = {
        **context,
        "blocks": drawn,
        "light": variables([dict(looks)], dark=False),
        "dark": variables([dict(looks)], dark=True),
    }
    for name, template, escaped in ((MARKDOWN, "compare.md.j2", False), (PAGE, "compare.html.j2", True)):
        text = environment(escaped).get_template(template).render(whole)
        files[Path(name)] = text.encode(errors="backslashreplace")
    write_folder(out, files, "comparison")
    return out / PAGE


def _draw(block: Block, looks: Mapping[str, Look], files: dict[Path, bytes]) -> Drawn:
    if block.figure is None:
        return Drawn(block, None)
    made = render_figure(block.figure, ENDINGS)
    files.update({Path("figures") / f"{block.name}.{ending}": content for ending, content in made.items()})
    alt = f"{visible(block.title)}. The numbers are in the tables below."
    return Drawn(block, inline_svg(made["svg"].decode(), block.name, _attribute(alt), dict(looks)))


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _tables(blocks: Sequence[Block]) -> list[Table]:
    return [table for block in blocks for table in (*block.tables, *block.folded)]


def _made_of(comparison: Comparison, commands: Sequence[str]) -> dict[str, Any]:
    evaluated = [e for run in comparison.runs for e in run.evaluations.values()]
    made = list(dict.fromkeys([*commands, *(e.command for e in evaluated if e.command)]))
    return {
        "commands": [visible(command) for command in made],
        "protocols": [(name, comparison.view(name).protocol) for name in comparison.datasets],
        "versions": merged_versions(
            [
                {"tersely (training)": run.version, **e.versions}
                for run in comparison.runs
                for e in run.evaluations.values()
            ]
        ),
        "runs": [(r.name, r.kind, "–" if r.seed is None else str(r.seed), place(r.path)) for r in comparison.runs],
    }
