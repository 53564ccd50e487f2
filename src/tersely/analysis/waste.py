"""What responses spend after their answer first stood, in circles, and without an end: `tersely waste`.

Every token is counted at most once: of a correct response those after the first statement of its answer
(``overthinking.first_answer``), of any other response all, where it runs in circles, never ends or never answers. What
is left over, an ordinary wrong response, is not called waste.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tersely.analysis.intervals import clipped, clustered_mean, clustered_rate, paired_ratio
from tersely.analysis.overthinking import Reading, read_texts
from tersely.records import Estimate, EvalRecord, Finish, Status

DAYS = 30
"""In a month."""
WORST = 10
"""Responses that are named."""


class Waste(StrEnum):
    """Why tokens of a response are counted."""

    AFTER = "after the answer first stood"
    LOOPS = "in circles, never right"
    UNFINISHED = "unfinished, or without an answer"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """One response: what of it is counted, and why."""

    record: EvalRecord
    why: Waste
    tokens: float
    """Counted ones, at most those of the response."""


@dataclass(frozen=True, slots=True)
class WasteBlock:
    """All responses, or those of one difficulty. Shares are of all tokens, every problem weighing the same."""

    responses: int
    problems: int
    tokens: Estimate
    """A response."""
    accuracy: Estimate
    shares: Mapping[Waste, Estimate]
    together: Estimate
    """Of all tokens, for whichever reason."""


@dataclass(frozen=True, slots=True)
class WasteReport:
    """What `tersely waste` says of a log."""

    overall: WasteBlock
    by_difficulty: Mapping[str, WasteBlock]
    """Labels in the order of first appearance; empty where no problem has one."""
    worst: tuple[Spent, ...]
    """At most WORST responses that spend most, the worst first."""
    stated_by_chance: Estimate | None
    """How often the rules of writing find the answer of another problem (``summarise_overthinking``)."""


def find_waste(records: Sequence[EvalRecord]) -> WasteReport:
    """Read every response once. ValueError without records."""
    readings = read_texts(records)
    spent = [_spent(record, readings[record.problem_id, record.sample]) for record in records]
    labels = dict.fromkeys(r.difficulty for r in records if r.difficulty is not None)
    blocks = {label: _block([s for s in spent if s.record.difficulty == label]) for label in labels}
    worst = sorted((s for s in spent if s.tokens > 0), key=lambda s: -s.tokens)[:WORST]
    chances: dict[str, list[float]] = {}
    for record in records:
        if (found := readings[record.problem_id, record.sample].by_chance) is not None:
            chances.setdefault(record.problem_id, []).append(float(found))
    return WasteReport(_block(spent), blocks, tuple(worst), clustered_rate(chances) if chances else None)


def month_cost(tokens: float, price: float, per_day: float) -> float:
    """What ``per_day`` responses of that many tokens cost in DAYS days, at ``price`` for a million tokens."""
    return tokens * per_day * DAYS * price / 1e6


def _spent(record: EvalRecord, reading: Reading) -> Spent:
    if record.correct:
        return Spent(record, Waste.AFTER if reading.share_after else Waste.NONE, reading.share_after * record.tokens)
    if reading.loops:
        return Spent(record, Waste.LOOPS, float(record.tokens))
    if record.finish is not Finish.EOS or record.status is Status.NO_ANSWER:
        return Spent(record, Waste.UNFINISHED, float(record.tokens))
    return Spent(record, Waste.NONE, 0.0)


def _block(spent: Sequence[Spent]) -> WasteBlock:
    tokens = _clusters(spent, [float(s.record.tokens) for s in spent])
    shares: dict[Waste, Estimate] = {
        why: _share(tokens, _clusters(spent, [s.tokens * (s.why is why) for s in spent]))
        for why in Waste
        if why is not Waste.NONE
    }
    return WasteBlock(
        responses=len(spent),
        problems=len(tokens),
        tokens=clustered_mean(tokens),
        accuracy=clustered_rate(_clusters(spent, [float(s.record.correct) for s in spent])),
        shares=shares,
        together=_share(tokens, _clusters(spent, [s.tokens for s in spent])),
    )


def _share(whole: dict[str, list[float]], part: dict[str, list[float]]) -> Estimate:
    """A part of the tokens over all of them: a ratio of means that cannot exceed 1."""
    return clipped(paired_ratio(whole, part), 0.0, 1.0)


def _clusters(spent: Sequence[Spent], values: Sequence[float]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one, value in zip(spent, values, strict=True):
        found.setdefault(one.record.problem_id, []).append(value)
    return found
