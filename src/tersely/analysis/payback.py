"""When training has paid for itself: its cost over what a query saves."""

from __future__ import annotations

from dataclasses import dataclass

from tersely.records import Estimate


@dataclass(frozen=True, slots=True)
class Payback:
    """Queries until training has paid for itself, in one currency."""

    label: str
    dataset: str
    currency: str
    """"tokens", "seconds" or the name of the money."""
    cost: float
    saved: Estimate
    """Saved by one query, in the same unit."""

    @property
    def queries(self) -> tuple[float | None, float | None, float | None]:
        """(estimate, fewest, most) queries by the ends of ``saved``'s interval; None is never, or unknown (no end)."""
        ends = (self.saved.value, self.saved.high, self.saved.low)
        value, few, many = (None if saved is None or saved <= 0 else self.cost / saved for saved in ends)
        return value, few, many

    @property
    def words(self) -> str:
        """ "1,234 [1,000, 2,000]", "never", "1,234 [1,000, never]"."""
        if self.cost == 0 and self.saved.value > 0:
            return "from the first"
        value, few, many = ("never" if queries is None else f"{queries:,.0f}" for queries in self.queries)
        without = self.saved.low is None or value == few == "never"
        return value if without else f"{value} [{few}, {many}]"
