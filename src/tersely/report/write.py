"""Write the report: one self-contained page, the same as Markdown, figures and tables as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from tersely.records import Unit
from tersely.report import examples, figures, findings, tables
from tersely.report.family import Family, read_family
from tersely.report.load import Run
from tersely.report.measure import View, make_view
from tersely.report.output import environment, merged_versions, render_figure, require_own, write_folder
from tersely.report.style import RC, Look, inline_svg, looks, variables
from tersely.report.text import place, slug
from tersely.terminal import visible

PAGE, MARKDOWN = "index.html", "report.md"
OWN = {PAGE, MARKDOWN, "figures", "tables"}
SHOWN_STEPS = 9
"""Steps of each run that the page shows of a journal; the CSV file holds all."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its caption, the tables behind it, and where its files are."""

    name: str
    title: str
    caption: str
    svg: str
    tables: tuple[tables.Table, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Everything of one task, ready to be set."""

    view: View
    prefix: str
    looks: dict[str, Look]
    findings: findings.Findings
    overview: tables.Table
    figures: tuple[Drawn, ...]
    more: tuple[tables.Table, ...]
    examples: tuple[examples.Example, ...]
    phrases: Mapping[str, tuple[str, ...]]


def write_report(runs: list[Path], base: Path | None, out: Path, commands: list[str]) -> Path:
    """Read finished runs, and write ``out/index.html``, ``report.md``, ``figures/`` and ``tables/``; returns the page.

    With ``base`` every run is compared with it; without, each with the base it was trained from, where that can be
    found. Nothing is written before everything could be read; files of an earlier report in ``out`` are replaced, a
    folder that holds anything else is a UserError, a refused write a StorageError.
    """
    family = read_family(runs, base)
    require_own(out, OWN, "report")
    with matplotlib.rc_context(RC):
        pairs = [_section(family, task, slug(task) + "-" if len(family.tasks) > 1 else "") for task in family.tasks]
    sections = [section for section, _ in pairs]
    context = _context(family, sections, commands)
    files: dict[Path, bytes] = {}
    for section, drawn in pairs:
        files.update(drawn)
        files.update(_table_files(section))
    files[Path(MARKDOWN)] = (
        environment(False).get_template("report.md.j2").render(context).encode(errors="backslashreplace")
    )
    files[Path(PAGE)] = environment(True).get_template("page.html.j2").render(context).encode(errors="backslashreplace")
    write_folder(out, files, "report")
    return out / PAGE


def _section(family: Family, task: str, prefix: str) -> tuple[Section, dict[Path, bytes]]:
    view = make_view(family, task)
    style = looks(view)
    files: dict[Path, bytes] = {}
    drawn = tuple(_draw(plan, prefix, style, files) for plan in _plans(view, style))
    runs = _labelled(view)
    more = [tables.details(view), tables.behaviours(view)]
    more += [tables.seeds(view)] if view.many_seeds else []
    more += [tables.cost(runs)] if any(run.clock for _, run in runs) else []
    section = Section(
        view=view,
        prefix=prefix,
        looks=style,
        findings=findings.make_findings(view),
        overview=tables.overview(view),
        figures=drawn,
        more=tuple(more),
        examples=examples.pick_examples(view),
        phrases=view.entries[0].results[0].evaluation.summary.phrases,
    )
    return section, files


@dataclass(frozen=True, slots=True)
class _Plan:
    name: str
    title: str
    caption: str
    figure: Figure
    tables: tuple[tables.Table, ...]


def _plans(view: View, style: dict[str, Look]) -> list[_Plan]:
    """The figures in the order of the page, each with the words under it and the tables behind it."""
    several = view.many_seeds
    points = (
        "Small hollow marks are single seeds, the large mark their mean." if several else "Bars are 95 % intervals."
    )
    bars = "Bars are 95 % intervals" + (
        f" over {Unit.SEEDS} where a model has several." if several else ", clustered by problem."
    )
    plans = [
        _Plan("frontier", "Tokens and accuracy",
              f"Each mark is one model on all held-out problems; the diamond is the base. {points} "
              "Up and to the left is better: fewer tokens, more right answers.",
              figures.frontier(view, style), (tables.frontier(view),)),
    ]  # fmt: skip
    if any(entry.gain("token_saving") is not None for entry in view.trained):
        plans.append(
            _Plan("saving_by_difficulty", "Where tokens are saved",
                  f"Share of the base's tokens saved on the same problems. {bars}",
                  figures.saving_by_difficulty(view, style), (tables.saving_by_difficulty(view),))
        )  # fmt: skip
    plans += [
        _Plan("accuracy_by_difficulty", "Accuracy by difficulty",
              f"Share of right answers; a truncated response is never right. {bars}",
              figures.accuracy_by_difficulty(view, style), (tables.accuracy_by_difficulty(view),)),
        _Plan("checks_by_difficulty", "Checks by difficulty",
              "How often a response says one of these phrases. Where a check is useless it should vanish first. "
              f"{bars}",
              figures.checks_by_difficulty(view, style), (tables.behaviours_by_difficulty(view),)),
    ]  # fmt: skip
    runs = _labelled(view)
    if any(run.journal for _, run in runs):
        plans.append(
            _Plan("curves", "Training",
                  f"Thin lines are single steps of single runs, thick lines the running mean over {figures.SMOOTHING} "
                  "steps, over all seeds of a model. Measured on the training problems, at the training temperature.",
                  figures.curves(view, style), (tables.curves(runs),))
        )  # fmt: skip
    return plans


def _draw(plan: _Plan, prefix: str, style: dict[str, Look], files: dict[Path, bytes]) -> Drawn:
    """Render one figure to PNG and SVG (kept in ``files``) and to the form that stands in the page."""
    made = render_figure(plan.figure, ("svg", "png"))
    name = f"{prefix}{plan.name}"
    files.update({Path("figures") / f"{name}.{ending}": content for ending, content in made.items()})
    text = inline_svg(made["svg"].decode(), name, f"{plan.title}. The numbers are in the table below.", style)
    return Drawn(name, plan.title, plan.caption, text, plan.tables)


def _table_files(section: Section) -> dict[Path, bytes]:
    every = [section.overview, *section.more, *(table for drawn in section.figures for table in drawn.tables)]
    return {
        Path("tables") / f"{section.prefix}{table.name}.csv": table.to_csv().encode(errors="backslashreplace")
        for table in every
    }


def _labelled(view: View) -> tuple[tuple[str, Run], ...]:
    return tuple((entry.label, result.run) for entry in view.trained for result in entry.results)


def _context(family: Family, sections: list[Section], commands: list[str]) -> dict[str, Any]:
    evaluated = [run.evaluations[task] for run in family.runs for task in family.tasks]
    made = list(dict.fromkeys([*commands, *(each.command for each in evaluated if each.command)]))
    return {
        "sections": sections,
        "several_tasks": len(sections) > 1,
        "commands": [visible(command) for command in made],
        "versions": merged_versions(
            [
                {"tersely (training)": run.version, **each.versions}
                for run in family.runs
                for each in run.evaluations.values()
            ]
        ),
        "runs": [
            (run.name, run.kind, "–" if run.seed is None else str(run.seed), place(run.path)) for run in family.runs
        ],
        "light": variables([section.looks for section in sections], dark=False),
        "dark": variables([section.looks for section in sections], dark=True),
        "headline_rule": findings.RULE,
        "example_rule": examples.RULE,
        "shown_steps": SHOWN_STEPS,
        "thinned": lambda table, view: tables.curves(_labelled(view), SHOWN_STEPS) if table.name == "curves" else table,
    }
