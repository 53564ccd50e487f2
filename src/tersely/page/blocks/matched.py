"""Who is ahead within the same training budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tersely.page.block import Block, Options
from tersely.page.cost import contender_cost
from tersely.page.records import Comparison, Role
from tersely.page.standings import Standing, best_of, rule, spends, stand
from tersely.page.words import say, table

AXES = {"training tokens": "tokens", "wall seconds": "wall"}
"""What is matched -> where it stands in a cost."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The best of one method within a budget that every method can keep."""

    axis: str
    """One of ``AXES``."""
    budget: float
    method: str
    best: Standing
    spent: float


def block(comparison: Comparison, options: Options) -> Block | None:
    if not any(c.role is Role.BASELINE for c in comparison.contenders):
        return None
    found, words = matched(comparison, options.found), []
    for axis in dict.fromkeys(m.axis for m in found):
        rows = {m.best.label: m for m in found if m.axis == axis}
        winner = best_of([m.best for m in rows.values()])
        parts = "; ".join(f"{m.method}: {spends(m.best)}" for m in rows.values())
        first = next(m for m in rows.values() if m.best is winner)
        words.append(say("matched.best", budget=first.budget, axis=axis, winner=first.method, parts=parts))
    words.append(rule("best") if found else say("matched.nothing"))
    budgets = table("matched", found)
    return Block("matched", budgets.title, tuple(words), tables=(budgets,) if found else ())


def matched(comparison: Comparison, found: Sequence[Standing]) -> list[Matched]:
    """On each axis the smallest budget that every method can keep, with a run or a checkpoint, and the best of each."""
    by_label = {c.label: c for c in comparison.contenders}
    candidates = [(s, by_label[s.label]) for s in found if s.role in (Role.FAMILY, Role.BASELINE)]
    for made in (made for made in comparison.checkpoints if made.is_member):
        if (standing := stand(made, comparison)) is not None:
            candidates.append((replace(standing, label=f"{made.label} at step {made.step}"), made))
    rows = []
    for axis, part in AXES.items():
        by_method: dict[str, list[tuple[float, Standing]]] = {}
        for standing, contender in candidates:
            # The whole family is one method.
            method = "RL with the length penalty" if standing.role is Role.FAMILY else standing.series
            if spent := getattr(contender_cost(contender), part):
                by_method.setdefault(method, []).append((spent, standing))
        if len(by_method) < 2:
            continue
        budget = max(min(spent for spent, _ in group) for group in by_method.values())
        for method, group in by_method.items():
            within = {standing.label: (spent, standing) for spent, standing in group if spent <= budget}
            best = best_of([standing for _, standing in within.values()])
            assert best is not None
            rows.append(Matched(axis, budget, method, best, within[best.label][0]))
    return rows
