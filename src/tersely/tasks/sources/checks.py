"""What a set of problems must not be, whoever gave it: faults are gathered over all of it and said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.errors import UserError
from tersely.frozen import canonical
from tersely.records import Problem
from tersely.tasks.sources import CheckGolds, LeftOut, Unjudgeable, shown

Placed = tuple[str, Problem]
"""("line 3", the problem that stands there)."""
Fault = tuple[str, str]
"""(place, what is wrong there)."""


def raise_faults(faults: Sequence[Fault], headline: str) -> None:
    """UserError with the first faults if there are any; ``{count}`` in the headline is their number."""
    if faults:
        told = shown([f"{place}: {fault}" for place, fault in faults], [place for place, _ in faults])
        raise UserError(f"{headline.replace('{count}', str(len(faults)))}: {told}")


def require_sound(
    placed: Sequence[Placed], name: str, check_golds: CheckGolds | None, left_out: LeftOut | None = None
) -> list[Problem]:
    """The problems, all different, with gold answers that ``check_golds`` takes.

    UserError for problems that stand twice, and for gold answers that cannot be judged unless ``left_out`` is there to
    be told of them.
    """
    _refuse_twins(placed, name)
    faulty = unjudgeable(placed, check_golds) if check_golds is not None else []
    if faulty and left_out is None:
        raise UserError(
            f"{name}: {len(faulty)} of {len(placed)} gold answers cannot be judged (mend them, or leave these problems "
            f"out with --drop-unjudgeable or `tersely prepare`): {shown(faulty, [one.place for one in faulty])}"
        )
    if left_out is not None:
        left_out(faulty)
    places = {one.place for one in faulty}
    return [problem for place, problem in placed if place not in places]


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


def unjudgeable(placed: Sequence[Placed], check_golds: CheckGolds) -> list[Unjudgeable]:
    """Those whose gold answer ``check_golds`` refuses."""
    reasons = check_golds([(problem.gold, problem.kind) for _, problem in placed])
    return [
        Unjudgeable(place, problem.id, problem.gold, reason)
        for (place, problem), reason in zip(placed, reasons, strict=True)
        if reason is not None
    ]
