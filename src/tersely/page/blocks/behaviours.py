"""What the responses do beside being long: checks, doubts, going on after the answer, loops, spread."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from tersely.analysis import clustered_mean, count_behaviours
from tersely.analysis.clusters import clusters_of
from tersely.page.block import Block, Options
from tersely.page.blocks.by_difficulty import draw_by_difficulty
from tersely.page.figure import canvas, legend_below
from tersely.page.records import TOLD, Comparison, Entry, View
from tersely.page.words import cell, say, table
from tersely.records import Estimate, EvalRecord
from tersely.table import Column, Table
from tersely.text import shorten_line

CHECKS = ("verification", "backtracking")
"""Behaviours that together are called checks: both look again at what is already written."""
PARTS = {"behaviours": "phrases", "overthinking": "tokens after the answer and loops", "spread": "spread of lengths"}


def block(comparison: Comparison, options: Options) -> Block | None:
    view, reference = comparison.view(*TOLD), comparison.reference
    wanted = {reference.label if reference else "", options.chosen}
    drawn = [e for e in view.entries if e.is_base or e.label in wanted]
    tables, figure, caption = behaviour_tables(view), None, ""
    if len(view.difficulties) > 1:
        tables += behaviour_tables(view, True, {e.label for e in drawn})
        if view.phrases and len(drawn) > 1:
            figure, caption = _draw(view, drawn, options), say("behaviours.caption")
    words = (say("behaviours.words"), *unmeasured(view))
    return Block("behaviours", "What the responses do", words, figure, caption, tuple(tables))


def behaviour_tables(view: View, by_difficulty: bool = False, picked: set[str] | None = None) -> list[Table]:
    """Phrases, then what follows the answer with the spread: side by side they would be wider than a page."""
    entries, ending = (view.by_difficulty, "_by_difficulty") if by_difficulty else (view.entries, "")
    counted = [Column(name, name.capitalize(), "count", cell("overall", "behaviours", name)) for name in view.phrases]
    if by_difficulty:
        counted.insert(0, Column("checks", "Checks (verification + backtracking)", "count", checks_of))
    same = [_if_same(view, column) for column in counted]
    rows = None if picked is None else tuple(i for i, entry in enumerate(entries) if entry.label in picked)
    others = table(f"overthinking{ending}", entries, rows)
    return [table(f"behaviours{ending}", entries, rows, same), others] if view.phrases else [others]


def _if_same(view: View, column: Column) -> Column:
    """Empty where other phrases were counted."""
    return replace(column, get=lambda entry: column.of(entry) if _same_phrases(view, entry) else None)


def _same_phrases(view: View, entry: Entry) -> bool:
    return all(result.evaluation.summary.phrases == view.phrases for result in entry.results)


def checks_of(entry: Entry) -> Estimate | None:
    """Checks a response."""
    count = check_clusters(entry)
    return entry.over_results(lambda records: clustered_mean(count(records)) if records else None)


def check_clusters(entry: Entry) -> Callable[[Sequence[EvalRecord]], dict[str, list[float]]]:
    phrases = {name: words for name, words in entry.first.evaluation.summary.phrases.items() if name in CHECKS}
    return lambda records: clusters_of(records, lambda r: sum(count_behaviours(r.text, phrases).values()))


def unmeasured(view: View) -> list[str]:
    """What the summaries of an older version lack, and whose phrases are others, in words."""
    said = []
    for part, words in PARTS.items():
        lacking = [e.label for e in view.entries if any(part in r.evaluation.summary.overall.absent for r in e.results)]
        if lacking:
            whose = "any model" if len(lacking) == len(view.entries) else ", ".join(lacking)
            said.append(say("behaviours.lacking", whose=whose, what=words))
    if others := [e.label for e in view.entries if not _same_phrases(view, e)]:
        said.append(say("behaviours.others", labels=", ".join(others)))
    return said


def _draw(view: View, entries: Sequence[Entry], options: Options) -> Figure:
    """One panel a behaviour, all from zero, so that what vanishes is seen to vanish."""
    figure, panels = canvas(0.8 + 1.9 * len(view.phrases), len(view.phrases), sharex=True)
    for axes, (name, words) in zip(panels, view.phrases.items(), strict=True):
        draw_by_difficulty(axes, view, entries, options.looks, 1, "overall", "behaviours", name)
        axes.set_ylim(0, max(axes.get_ylim()[1], 0.1))
        axes.set_title(shorten_line(f"{name}: {', '.join(words)}", 46))
        axes.set(xlabel="difficulty" if axes is panels[-1] else "", ylabel="per response")
    legend_below(figure, panels[-1])
    return figure
