"""Say in words what a comparison shows, and what it does not. Every sentence is computed; none is assumed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tersely.analysis import Point, dominance, trend
from tersely.compare.cost import TRAINED, Matched, Payback, contender_cost
from tersely.compare.records import Comparison, Plane, Role
from tersely.compare.standings import Standing, best_of, plane_of
from tersely.report.findings import (
    SEVERAL_SEEDS,
    cap_warning,
    seed_sentence,
    trend_sentence,
    unchecked_warning,
    unjudged_warning,
)
from tersely.report.tables import show


def headline(found: Sequence[Standing]) -> str:
    """The best of the family and the best of everything else under one rule."""
    family = best_of([s for s in found if s.role is Role.FAMILY])
    others = [s for s in found if s.role in (Role.BASELINE, Role.CUTOFF, Role.PROMPTED)]
    rival = best_of(others)
    if family is None:
        if rival is None:
            return "Nothing here can be compared with a base"
        return f"No member of the family is here; the best of the rest, {rival.label}, {_stands(rival)}"
    said = f"{family.label} {_stands(family)}"
    if rival is None:
        return f"{said}; no simple alternative was measured beside it on the same data sets"
    return f"{said}; the best simple alternative, {rival.label}, {_stands(rival)}"


def _stands(standing: Standing) -> str:
    saved = 1 - standing.tokens.value
    spent = f"{show(abs(saved), 'percent')} {'fewer' if saved >= 0 else 'more'} tokens"
    return f"spends {spent} and keeps {show(standing.accuracy.value, 'percent')} of the base's accuracy"


def findings(comparison: Comparison, found: Sequence[Standing]) -> list[str]:
    """Trends, dominated points and sets that differ, data set by data set and then over all."""
    several = len(comparison.datasets) > 1
    sentences = []
    for dataset in comparison.datasets:
        view = comparison.view(dataset)
        said = [trend_sentence(view, "tokens"), trend_sentence(view, "accuracy"), seed_sentence(view)]
        said.append(plane_sentence(plane_of(comparison, dataset)))
        sentences += [f"{dataset}: {s}" if several else s for s in said if s]
    if several:
        sentences += [f"Over all data sets: {s}" for s in monotone(found)]
    return [*sentences, *elasticity(found)]


def monotone(found: Sequence[Standing]) -> list[str]:
    """Whether the ratios fall along the family, in words; steps by value alone where there are no intervals."""
    family = sorted((s for s in found if s.role is Role.FAMILY), key=lambda s: s.alpha or 0.0)
    if len(family) < 2:
        return []
    sentences = []
    for what in ("tokens", "accuracy"):
        values = [s.tokens if what == "tokens" else s.accuracy for s in family]
        moves = trend(what, [s.alpha or 0.0 for s in family], values)
        if any(step.low is not None for step in moves.steps):
            sentences.append(_upper(f"{moves.words} (ratios to the base)."))
            continue
        chain = " > ".join(f"{v:.3f}" for v in moves.values) if moves.falls else ", ".join(
            f"{v:.3f}" for v in moves.values
        )  # fmt: skip
        verb = ("fall" if what == "tokens" else "falls") if moves.falls else (
            "do not fall" if what == "tokens" else "does not fall"
        )  # fmt: skip
        sentences.append(f"{what.capitalize()} {verb} at every step of alpha ({chain}; by value, without intervals).")
    for a, b in itertools.combinations(family, 2):
        for one, other in ((a, b), (b, a)):
            if one.tokens.value < other.tokens.value and one.accuracy.value > other.accuracy.value:
                sentences.append(f"{one.label} beats {other.label} on both axes, so the family is not monotone there.")
    return sentences


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def elasticity(found: Sequence[Standing]) -> list[str]:
    """On which data set the strongest member saves most and least: the paper's claim that length adapts."""
    family = [s for s in found if s.role is Role.FAMILY and len(s.sets) > 1]
    if not family:
        return []
    chosen = best_of(family) or family[-1]
    ordered = sorted(chosen.sets, key=lambda name: chosen.sets[name][1].value)
    first, last = ordered[0], ordered[-1]
    saved = {name: show(1 - chosen.sets[name][1].value, "percent") for name in (first, last)}
    return [f"{chosen.label} saves most on {first} ({saved[first]}) and least on {last} ({saved[last]})."]


def plane_sentence(plane: Plane) -> str:
    """Dominated points by name: beyond the intervals, or by value alone where the source prints none."""
    found = dominance([Point(s.label, s.tokens, s.accuracy) for s in plane.spots])
    if len(found) < 2:
        return ""
    pairs = [(d.name, d.clearly_by if plane.intervals else d.by) for d in found]
    beaten = [f"{name} (by {_first(by)})" for name, by in pairs if by]
    how = "beyond the intervals" if plane.intervals else "by value"
    free = ", ".join(d.name for d in found if not d.by)
    return f"Dominated {how}: {'; '.join(beaten) or 'none'}. On values alone the frontier is {free}."


def _first(names: Sequence[str], most: int = 2) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def matched_sentences(found: Sequence[Matched]) -> list[str]:
    sentences = []
    for axis in dict.fromkeys(m.axis for m in found):
        rows = [m for m in found if m.axis == axis]
        best = best_of([m.best for m in rows])
        parts = "; ".join(f"{m.method}: {m.best.label} {_stands(m.best)}" for m in rows)
        winner = next(m.method for m in rows if m.best is best)
        sentences.append(f"Within {rows[0].budget:,.0f} {axis} ({winner} stands first): {parts}.")
    return sentences


def prompts_sentence(comparison: Comparison) -> list[str]:
    """Whose training tokens are overstated, because an older clock counted the prompts among them."""
    trained = [c for c in comparison.contenders if c.role in TRAINED]
    named = [c.label for c in trained if contender_cost(c).with_prompts]
    if not named:
        return []
    return [
        "Tokens trained on are response tokens under a loss, once a pass. The clocks of "
        f"{', '.join(named)} are older and counted prompts too, so their tokens trained on are overstated."
    ]


def payback_sentence(found: Sequence[Payback]) -> str:
    never = list(dict.fromkeys(p.label for p in found if p.queries[0] is None))
    return f"Never paid back, because nothing is saved: {', '.join(never)}." if never else ""


def warnings(comparison: Comparison, found: Sequence[Standing]) -> list[str]:
    """What a reader must be warned of."""
    said: list[str] = []
    marked = [c for c in comparison.contenders if c.mark]
    if marked:
        names = "; ".join(c.label for c in marked)
        said.append(f"Evaluated under another protocol, so shown and compared with nothing: {names}.")
    for dataset in comparison.datasets:
        view = comparison.view(dataset)
        for sentence in (cap_warning(view), unjudged_warning(view), unchecked_warning(view)):
            said += [f"{dataset}: {sentence}"] if sentence else []
        if view.entries[0].results[0].evaluation.summary.overall.problems == 1:
            said.append(f"{dataset} holds a single problem: nothing measured on it has an interval.")
        if dataset not in comparison.noise:
            said.append(
                f"{dataset}: no noise floor, because the base was asked once a problem: repeat it, or use k > 1."
            )
    known = {s.label for s in found}
    lacking = [
        c.label
        for c in comparison.contenders
        if not c.mark and c.role not in (Role.BASE, Role.CUTOFF) and c.label not in known
    ]
    if lacking and comparison.base is not None:
        said.append(f"Not evaluated on every data set of the base, so in no aggregate: {', '.join(lacking)}.")
    if comparison.base is None:
        said.append("No base was found, so nothing is paired: name one with --base.")
    if not any(len(c.runs) > 1 for c in comparison.contenders):
        said.append("One seed a model: the intervals say what other problems would do, not another training run.")
    else:
        said.append(SEVERAL_SEEDS)
    return said
