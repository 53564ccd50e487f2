"""What the responses do beside being long: checks, doubts, going on after the answer, loops, spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from tersely.analysis import clustered_mean, count_behaviours
from tersely.analysis.clusters import clusters_of, label_of
from tersely.page.block import Block, Options
from tersely.page.blocks.saving import DIFFICULTY, TOLD, dodged
from tersely.page.figure import Looks, canvas, legend_below
from tersely.page.records import Comparison, Entry, View
from tersely.page.table import MODEL, Cell, Column, Table
from tersely.records import Estimate, EvalRecord
from tersely.text import shorten_line

Read = Callable[..., Estimate | None]
CHECKS = ("verification", "backtracking")
"""Behaviours that together are called checks: both look again at what is already written."""
MEASURES = (
    (("overthinking", "tokens_after_answer"), "Tokens after the first right answer", "count"),
    (("overthinking", "share_after_answer"), "Share after it", "percent"),
    (("overthinking", "loops"), "Loops", "percent"),
    (("spread", "std_over_mean"), "Correct lengths, std / mean", "percent"),
    (("spread", "shortest_below_mean"), "Shortest below mean", "percent"),
)
PARTS = {"behaviours": "phrases", "overthinking": "tokens after the answer and loops", "spread": "spread of lengths"}
WORDS = (
    "Phrases are counted a response; tokens after the first right answer over correct responses, from where their text "
    "first states it; loops are responses that run in circles; spreads are over the correct responses to one problem, "
    "averaged over problems that have two."
)
CAPTION = "How often a response says one of these phrases. Where a check is useless it should vanish first."


def block(comparison: Comparison, options: Options) -> Block | None:
    view = comparison.view(*TOLD)
    reference = comparison.reference
    wanted = {reference.label if reference else "", options.chosen}
    chosen = view.only(lambda e: e.is_base or e.label in wanted)
    several = len(view.difficulties) > 1
    figure = _draw(chosen, options.looks) if several and view.phrases and len(chosen.entries) > 1 else None
    by_difficulty = behaviour_tables(view, True, {e.label for e in chosen.entries}) if several else []
    words = (WORDS, *unmeasured(view))
    tables = (*behaviour_tables(view), *by_difficulty)
    return Block("behaviours", "What the responses do", words, figure, CAPTION if figure else "", tables)


def behaviour_tables(view: View, by_difficulty: bool = False, picked: set[str] | None = None) -> list[Table]:
    """Phrases, then what follows the answer with the spread: side by side they would be wider than a page."""
    ending, words = ("_by_difficulty", " by difficulty") if by_difficulty else ("", "")
    reads: list[tuple[tuple[str, ...], Entry, Read]] = [((e.label,), e, e.overall) for e in view.entries]
    head = [MODEL]
    if by_difficulty:
        reads = [((d, e.label), e, _at(e, d)) for d in view.difficulties for e in view.entries]
        head.insert(0, DIFFICULTY)
    counted = tuple(Column(name, name.capitalize(), "count") for name in view.phrases)
    checked = (Column("checks", "Checks (verification + backtracking)", "count"),) if by_difficulty else ()
    measured = tuple(Column(keys[-1], title, kind) for keys, title, kind in MEASURES)
    phrases: list[tuple[Cell, ...]] = []
    for names, entry, read in reads:
        alike = _same_phrases(view, entry)
        checks = [checks_of(entry, names[0]) if alike else None] * len(checked)
        phrases.append((*names, *checks, *(read("behaviours", name) if alike else None for name in view.phrases)))
    others = tuple((*names, *(read(*keys) for keys, _, _ in MEASURES)) for names, _, read in reads)
    rows = None if picked is None else tuple(i for i, (names, _, _) in enumerate(reads) if names[-1] in picked)
    made = [Table(f"overthinking{ending}", f"After the answer, loops and spread{words}", (*head, *measured), others,
                  rows)]  # fmt: skip
    if counted:
        title = f"Phrases a response{words}"
        made.insert(0, Table(f"behaviours{ending}", title, (*head, *checked, *counted), tuple(phrases), rows))
    return made


def checks_of(entry: Entry, difficulty: str) -> Estimate | None:
    """Checks a response at one difficulty."""
    return entry.over_results(
        lambda records: clustered_mean(found) if (found := check_clusters(entry, difficulty)(records)) else None
    )


def check_clusters(entry: Entry, difficulty: str) -> Callable[[Sequence[EvalRecord]], dict[str, list[float]]]:
    phrases = {name: words for name, words in entry.results[0].evaluation.summary.phrases.items() if name in CHECKS}

    def checks(record: EvalRecord) -> int:
        return sum(count_behaviours(record.text, phrases).values())

    return lambda records: clusters_of(records, checks, lambda record: label_of(record) == difficulty)


def unmeasured(view: View) -> list[str]:
    """What the summaries of an older version lack, and whose phrases are others, in words."""
    said = []
    for part, words in PARTS.items():
        lacking = [e.label for e in view.entries if any(part in r.evaluation.summary.overall.absent for r in e.results)]
        if lacking:
            whose = "any model" if len(lacking) == len(view.entries) else ", ".join(lacking)
            said.append(f"Not measured for {whose}: {words} (an older summary; tersely evaluate makes it anew).")
    others = [e.label for e in view.entries if not _same_phrases(view, e)]
    if others:
        said.append(f"Counted by other phrases, so left out: {', '.join(others)}.")
    return said


def _draw(view: View, looks: Looks) -> Figure:
    """One panel a behaviour, all from zero, so that what vanishes is seen to vanish."""
    figure, panels = canvas(0.8 + 1.9 * len(view.phrases), len(view.phrases), sharex=True)
    for axes, name in zip(panels, view.phrases, strict=True):
        dodged(axes, view, view.entries, looks, _reader(name), 1)
        axes.set_ylim(0, max(axes.get_ylim()[1], 0.1))
        axes.set_title(shorten_line(f"{name}: {', '.join(view.phrases[name])}", 46))
        axes.set_xlabel("difficulty" if axes is panels[-1] else "")
        axes.set_ylabel("per response")
    legend_below(figure, panels[-1])
    return figure


def _reader(name: str) -> Callable[[Entry, str], Estimate | None]:
    return lambda entry, difficulty: entry.at(difficulty, "behaviours", name)


def _same_phrases(view: View, entry: Entry) -> bool:
    return all(result.evaluation.summary.phrases == view.phrases for result in entry.results)


def _at(entry: Entry, difficulty: str) -> Read:
    return lambda *keys: entry.at(difficulty, *keys)
