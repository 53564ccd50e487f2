"""What a set of problems must not be, whoever gave it: faults are gathered over all of it and said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.errors import UserError
from tersely.frozen import canonical
from tersely.records import Problem
from tersely.tasks.sources import CheckGolds

Placed = tuple[str, Problem]
"""("line 3", the problem that stands there)."""
Fault = tuple[str, str]
"""(place, what is wrong there)."""

SHOWN = 5
"""How many faulty places a message lists; the rest are counted."""


def raise_faults(faults: Sequence[Fault], headline: str) -> None:
    """UserError with the first faults if there are any; ``{count}`` in the headline is their number."""
    if faults:
        shown = "; ".join(f"{place}: {fault}" for place, fault in faults[:SHOWN])
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise UserError(f"{headline.replace('{count}', str(len(faults)))}: {shown}{more}")


def require_sound(placed: Sequence[Placed], name: str, check_golds: CheckGolds | None) -> list[Problem]:
    """The problems, all different, with gold answers that ``check_golds`` takes; UserError for those that are not."""
    _refuse_twins(placed, name)
    if check_golds is not None:
        _refuse_golds(placed, name, check_golds)
    return [problem for _, problem in placed]


def _refuse_twins(placed: Sequence[Placed], name: str) -> None:
    """One question twice, unless further columns that somebody reads (another passage, other tests) tell them apart."""
    first: dict[tuple[str, str], Placed] = {}
    faults: list[Fault] = []
    for place, problem in placed:
        asked = (" ".join(problem.question.split()), canonical(problem.payload))
        before, twin = first.setdefault(asked, (place, problem))
        if before == place:
            continue
        same = twin.id == problem.id
        what = "the same problem as" if same else f"answer {problem.gold!r}, but {twin.gold!r} to the same question on"
        faults.append((place, f"{what} {before}"))
    raise_faults(faults, f"{name}: {{count}} duplicate problems (remove all but one of each)")


def _refuse_golds(placed: Sequence[Placed], name: str, check_golds: CheckGolds) -> None:
    reasons = check_golds([(problem.gold, problem.kind) for _, problem in placed])
    faults = [
        (place, f"{problem.gold[:60]!r} ({reason})")
        for (place, problem), reason in zip(placed, reasons, strict=True)
        if reason is not None
    ]
    raise_faults(faults, f"{name}: {{count}} of {len(placed)} gold answers cannot be read")
