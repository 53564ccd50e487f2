"""What the responses of each model do beside being long: checks, doubts, going on after the answer, loops, spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tersely.compare.records import Comparison, Role
from tersely.compare.standings import Standing, best_of
from tersely.records import Estimate
from tersely.report.measure import Entry, View
from tersely.report.tables import Cell, Column, Table

Read = Callable[..., Estimate | None]
MEASURES = (
    (("overthinking", "tokens_after_answer"), "Tokens after the first right answer", "count"),
    (("overthinking", "share_after_answer"), "Share after it", "percent"),
    (("overthinking", "loops"), "Loops", "percent"),
    (("spread", "std_over_mean"), "Correct lengths, std / mean", "percent"),
    (("spread", "shortest_below_mean"), "Shortest below mean", "percent"),
)
BLOCKS = {"behaviours": "phrases", "overthinking": "tokens after the answer and loops", "spread": "spread of lengths"}
UNTOLD = (Role.CUTOFF, Role.ABLATION)
"""A cutoff's responses are the base's; departures stand in a table of their own."""


def view_of(comparison: Comparison, dataset: str, roles: Sequence[Role]) -> View:
    """The data set with the contenders of such roles alone."""
    labels = {c.label for c in comparison.contenders if c.role in roles}
    whole = comparison.view(dataset)
    return replace(whole, entries=tuple(e for e in whole.entries if e.label in labels))


def told(comparison: Comparison, dataset: str) -> View:
    return view_of(comparison, dataset, [role for role in Role if role not in UNTOLD])


def behaviour_tables(view: View, whose: str, dataset: str, by_difficulty: bool = False) -> list[Table]:
    """Phrases, then what follows the answer with the spread: side by side they would be wider than a page."""
    ending, words = ("_by_difficulty", " by difficulty") if by_difficulty else ("", "")
    reads: list[tuple[tuple[str, ...], Entry, Read]] = [((e.label,), e, e.overall) for e in view.entries]
    head = [Column("model", "Model")]
    if by_difficulty:
        reads = [((d, e.label), e, _at(e, d)) for d in view.difficulties for e in view.entries]
        head.insert(0, Column("difficulty", "Difficulty"))
    counted = tuple(Column(name, name.capitalize(), "count") for name in view.behaviours)
    measured = tuple(Column(keys[-1], title, kind) for keys, title, kind in MEASURES)
    phrases = tuple((*names, *_phrases(view, e, read)) for names, e, read in reads)
    others = tuple((*names, *(read(*keys) for keys, _, _ in MEASURES)) for names, _, read in reads)
    made = [
        Table(f"behaviours{whose}{ending}_{dataset}", f"Phrases a response{words}", (*head, *counted), phrases),
        Table(f"overthinking{whose}{ending}_{dataset}", f"After the answer, loops and spread{words}",
              (*head, *measured), others),
    ]  # fmt: skip
    return made if counted else made[1:]


def chosen_view(comparison: Comparison, dataset: str, found: Sequence[Standing]) -> View | None:
    """The base and the best of the family; None where either is missing or difficulty has one value."""
    chosen = best_of([s for s in found if s.role is Role.FAMILY])
    whole = comparison.view(dataset)
    if chosen is None or whole.base is None or len(whole.difficulties) < 2:
        return None
    picked = tuple(e for e in whole.entries if e.is_base or e.label == chosen.label)
    return replace(whole, entries=picked) if len(picked) == 2 else None


def unmeasured(view: View) -> list[str]:
    """What the summaries of an older version lack, and whose phrases are others, in words."""
    said = []
    for block, words in BLOCKS.items():
        lacking = [e.label for e in view.entries if _lacks(e, block)]
        if lacking:
            whose = "any model" if len(lacking) == len(view.entries) else ", ".join(lacking)
            said.append(f"Not measured for {whose}: {words} (an older summary; tersely evaluate makes it anew).")
    others = [e.label for e in view.entries if not _same_phrases(view, e)]
    if others:
        said.append(f"Counted by other phrases, so left out: {', '.join(others)}.")
    return said


def _lacks(entry: Entry, block: str) -> bool:
    return any(block in result.evaluation.summary.overall.absent for result in entry.results)


def _same_phrases(view: View, entry: Entry) -> bool:
    wanted = view.entries[0].results[0].evaluation.summary.phrases
    return all(result.evaluation.summary.phrases == wanted for result in entry.results)


def _phrases(view: View, entry: Entry, read: Read) -> list[Cell]:
    return [read("behaviours", name) if _same_phrases(view, entry) else None for name in view.behaviours]


def _at(entry: Entry, difficulty: str) -> Read:
    return lambda *keys: entry.at(difficulty, *keys)
