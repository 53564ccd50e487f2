"""What a method does with right and wrong, declared beside its formula and checked by a search over random groups.

Two things went wrong in published runs: a short wrong answer that earns more than a long right one, and groups without
a right answer that learn brevity, until the policy says nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Order(StrEnum):
    """Whether every right response of a group earns more than every wrong one of it; the value is how notes say it."""

    KEPT = "a right answer always earns more than a wrong one"
    TIES = "a wrong answer can earn as much as a right one"
    BROKEN = "a wrong answer can earn more than a right one"


class AllWrong(StrEnum):
    """What a group without a right answer learns; the value is how notes say it."""

    NOTHING = "nothing"
    SHORTER = "to be shorter"
    LONGER = "to be longer"
    MEAN = "to come near its mean length"
    BUDGET = "to come near the budget"


@dataclass(frozen=True, slots=True)
class Promise:
    """The worst that any setting which the method accepts can do, within one group of right and wrong responses.

    Example: ``Promise(Order.TIES, AllWrong.NOTHING, "beyond the limit both earn 0")``
    """

    order: Order
    all_wrong: AllWrong
    where: str = ""
    """In which case the order is not kept; empty where it is."""

    @property
    def words(self) -> str:
        """One line for people."""
        where = f" ({self.where})" if self.where else ""
        return f"{self.order}{where}; a group without a right answer learns {self.all_wrong}"
