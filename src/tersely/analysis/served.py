"""What answers of a server take, in tokens, seconds and money, and which ways of asking are dominated in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tersely.analysis.clusters import clusters_of
from tersely.analysis.frontier import Point, dominance
from tersely.analysis.intervals import clustered_mean
from tersely.records import Estimate, EvalRecord

Quantity = Callable[[EvalRecord], float | None]
"""Of one response; None where it is not known."""

MILLION = 1e6
ANSWERS = 1000
"""So many answers a price is told of: of one it would be mostly zeros."""

QUANTITIES: Mapping[str, Quantity] = {
    "tokens": lambda record: record.tokens,
    "seconds": lambda record: None if record.served is None else record.served.seconds,
    "first token, s": lambda record: None if record.served is None else record.served.first_token_s,
    "thinking tokens": lambda record: record.thinking_tokens,
}


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens. Example: ``Price(0.15, 0.6)``"""

    read: float
    """Of the prompt."""
    written: float

    def of(self, record: EvalRecord) -> float | None:
        """Of ``ANSWERS`` such responses; None where the tokens of its prompt are not known."""
        if record.served is None or record.served.prompt_tokens is None:
            return None
        cost = record.served.prompt_tokens * self.read + record.tokens * self.written
        return ANSWERS * cost / MILLION


def mean_of(records: Sequence[EvalRecord], quantity: Quantity) -> Estimate | None:
    """Mean a response with its 95 % interval clustered by problem; None where it is not known of every response: a mean
    of some would be another quantity."""
    values = {(record.problem_id, record.sample): quantity(record) for record in records}
    if None in values.values():
        return None
    return clustered_mean(clusters_of(records, lambda record: values[record.problem_id, record.sample] or 0.0))


def beaten(axis: str, points: Sequence[tuple[str, Estimate | None, Estimate | None]]) -> str:
    """Which of (name, accuracy, spent) are worse on both axes, beyond their intervals or by value."""
    known = [Point(name, spent, right) for name, right, spent in points if right is not None and spent is not None]
    if len(known) < 2:
        return f"dominated in {axis}: not known"
    found = dominance(known)
    clear = [f"{one.name} (by {', '.join(one.clearly_by[:2])})" for one in found if one.clearly_by]
    likely = [f"{one.name} (by {', '.join(one.by[:2])})" for one in found if one.by and not one.clearly_by]
    said = f"dominated in {axis}, beyond the intervals: {'; '.join(clear) or 'none'}"
    return f"{said}; by value alone: {'; '.join(likely)}" if likely else said
