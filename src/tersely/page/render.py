"""Write a page: one self-contained HTML file, the same as Markdown, tables as CSV, figures as SVG, PDF and PNG."""

import html
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.style
from markupsafe import Markup

from tersely.analysis import ProtocolFacts
from tersely.analysis.behaviours import Phrases, find_behaviours
from tersely.errors import UserError
from tersely.evaluation.records import Evaluation
from tersely.evaluation.runs import Run
from tersely.page import published
from tersely.page.block import Block, Options
from tersely.page.blocks import BLOCKS, COMPARE, REPORT, tune
from tersely.page.collect import collect
from tersely.page.figure import STYLE, inline_svg, make_looks, render_figure
from tersely.page.message import Message, make_message
from tersely.page.records import TRAINED, Comparison
from tersely.page.standings import standings
from tersely.runs import places
from tersely.runs.files import write_folder
from tersely.terminal import visible
from tersely.text import markdown_block, markdown_cell, place, shorten
from tersely.tune.found import read_tuned

PAGE, REPORT_MARKDOWN, COMPARE_MARKDOWN = "index.html", "report.md", "compare.md"
OWN = frozenset({PAGE, REPORT_MARKDOWN, COMPARE_MARKDOWN, "figures", "tables"})
ENDINGS = ("svg", "pdf", "png")
PLAIN = Options()
Evaluated = Sequence[tuple[Run, Evaluation]]
Protocols = Sequence[tuple[str, ProtocolFacts]]
FIRST_TABLES = ("overview", "aggregate")
"""Of the first two blocks' tables the one with such a name stands on the first screen."""


def write_report(runs: Sequence[Path], base: Path | None, out: Path, options: Options = PLAIN) -> Path:
    """The models as they are: a family without cutoffs, instructions and checkpoints; an earlier page is replaced."""
    comparison = collect(runs, base, options.allow_mixed, variants=False)
    if not any(c.role in TRAINED for c in comparison.contenders):
        raise UserError("a report needs at least one trained run: give the folders that tersely train made")
    return write_page(comparison, REPORT, out, replace(options, with_ablations=True), REPORT_MARKDOWN)


def write_comparison(runs: Sequence[Path], base: Path | None, out: Path, options: Options = PLAIN) -> Path:
    """The family beside baselines, cutoffs, instructions and ablations, with what they cost; returns the page."""
    return write_page(collect(runs, base, options.allow_mixed), COMPARE, out, options, COMPARE_MARKDOWN)


def write_page(comparison: Comparison, selection: Sequence[str], out: Path, options: Options, markdown: str) -> Path:
    require_own(out)
    looks = make_looks(comparison.contenders, comparison.datasets)
    options = replace(options, looks=looks, found=standings(comparison))
    message = make_message(comparison, options)
    options = replace(options, chosen=message.chosen)
    runs = {run.path: run for c in comparison.contenders for run in c.runs}.values()
    evaluated = [(run, evaluation) for run in runs for evaluation in run.evaluations.values()]
    views = [comparison.on(dataset).view() for dataset in comparison.datasets]
    made = _made_of(evaluated, [(v.dataset, v.protocol) for v in views], options.commands, views[0].phrases)
    with matplotlib.style.context(STYLE):
        blocks = [block for name in selection for block in BLOCKS[name](comparison, options)]
        return _write(out, message, blocks, markdown, made)


def write_published(scale: str, out: Path, *, commands: Sequence[str] = ()) -> Path:
    """Draw the paper's published tables of one scale, "1.5b" or "7b", without intervals; returns the page."""
    require_own(out)
    source = published.read_published(scale)
    made = {**_made_of([], [], commands, {}), "versions": {"source": source["paper"]}}
    with matplotlib.style.context(STYLE):
        blocks = published.published_blocks(source)
        return _write(out, published.published_message(source), blocks, COMPARE_MARKDOWN, made)


def write_tuned(folder: Path, out: Path, *, commands: Sequence[str] = ()) -> Path:
    """The path and the frontier of one `tersely tune`, what was chosen and certified; returns the page."""
    require_own(out)
    found = read_tuned(folder)
    made = _made_of([(found.run, found.told)], [(found.told.name, found.told.protocol.without_model())], commands, {})
    with matplotlib.style.context(STYLE):
        return _write(out, tune.message(found), [tune.block(found)], REPORT_MARKDOWN, made)


def _write(out: Path, message: Message, blocks: Sequence[Block], markdown: str, made: Mapping[str, Any]) -> Path:
    """Blocks of which nothing is left once the first screen has its table stand nowhere."""
    files: dict[Path, bytes] = {}
    drawn: dict[str, str] = {}
    for name, title, figure in ((b.name, b.title, b.figure) for b in blocks):
        made_of = {} if figure is None else render_figure(figure, ENDINGS)
        files.update({Path("figures") / f"{name}.{ending}": content for ending, content in made_of.items()})
        if made_of:
            alt = f"{visible(title)}. The numbers are in the tables below."
            drawn[name] = inline_svg(made_of["svg"].decode(), name, alt)
    for table in (table for block in blocks for table in block.tables):
        files[Path("tables") / f"{table.name}.csv"] = table.to_csv().encode(errors="backslashreplace")
    heads = [table for block in blocks[:2] for table in block.tables if table.name.startswith(FIRST_TABLES)]
    rest = [b for b in blocks[1:] if b.figure or b.examples or b.tables != tuple(heads[:1])]
    context = {"message": message, "first": blocks[0], "table": next(iter(heads), None), "rest": rest, "svg": drawn}
    for name, template, escaped in ((markdown, "page.md.j2", False), (PAGE, "page.html.j2", True)):
        text = environment(escaped).get_template(template).render(context, **made)
        files[Path(name)] = text.encode(errors="backslashreplace")
    write_folder(out, files, "the page")
    return out / PAGE


def _made_of(evaluated: Evaluated, protocols: Protocols, commands: Sequence[str], phrases: Phrases) -> dict[str, Any]:
    versions: dict[str, dict[str, None]] = {}
    for run, evaluation in evaluated:
        for name, version in {"tersely (training)": run.version, **evaluation.versions}.items():
            versions.setdefault(str(name), {})[str(version)] = None
    runs = {run.path: run for run, _ in evaluated}.values()
    return {
        "commands": list(dict.fromkeys([*commands, *(e.command for _, e in evaluated if e.command)])),
        "protocols": protocols,
        "phrases": phrases,
        "versions": {name: ", ".join(values) for name, values in sorted(versions.items())},
        "runs": [(r.name, r.kind, "–" if r.seed is None else str(r.seed), place(r.path)) for r in runs],
    }


def environment(autoescape: bool) -> jinja2.Environment:
    """The templates; every value is escaped in HTML, and a missing one is an error."""
    made = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    made.autoescape = autoescape
    made.loader = jinja2.PackageLoader("tersely.page")
    made.filters.update(cell=markdown_cell, block=markdown_block)
    made.filters.update(marked=marked, visible=visible, said=said, shorten=shorten)
    return made


def marked(text: str, phrases: Phrases) -> Markup:
    """Escaped HTML with each behaviour's phrases in ``<mark>``: class b0 for the first behaviour, b1, b2, b0, ..."""
    pieces, end = [], 0
    for start, stop, which in find_behaviours(text, phrases):
        if start >= end:
            pieces.append(html.escape(text[end:start]))
            pieces.append(f'<mark class="b{which % 3}">{html.escape(text[start:stop])}</mark>')
            end = stop
    return Markup("".join(pieces) + html.escape(text[end:]))


def said(sentence: str) -> str:
    """A sentence with what is foreign in it made visible, and numbers kept with their percent signs."""
    return visible(sentence).replace(" %", "\u00a0%")


def require_own(out: Path, own: Collection[str] = OWN) -> None:
    """A page replaces only a page; what cannot become a folder is refused before anything is drawn."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give a folder for the page")
    places.require_free(out)
    strange = sorted({path.name for path in out.iterdir()} - set(own)) if out.is_dir() else []
    if strange:
        raise UserError(f"{out} holds {strange[0]!r}, which is no part of a page: give an empty or new folder")
