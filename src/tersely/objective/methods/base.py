"""What a method is: a whole group in, rewards out.

To add one: a file beside this one with a frozen dataclass that extends ``Method``, and a line in ``METHODS``
(``methods/__init__.py``). Its fields are its settings; ``__post_init__`` refuses what cannot work.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tersely.objective.build import number
from tersely.objective.group import GroupView, Need, State
from tersely.objective.promise import Promise
from tersely.objective.reward import Reward
from tersely.records import FloatArray

ABOVE_0 = math.ulp(0.0)
"""The least float above 0, for rules that leave 0 out."""


class Method(ABC):
    """Base of every method. Pure: the same group (and state) gives the same rewards.

    Example:
        @dataclass(frozen=True)
        class Flat(Method):
            price: float = 1e-4

            def rewards(self, group):
                return Reward(group.scores_G - self.price * group.lengths_G)
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What ``GroupView`` must hold beyond scores and lengths; a caller that cannot give it is refused by name."""
    promise: ClassVar[Promise | None] = None
    """Whether a wrong answer can earn as much as a right one, and what groups without a right one learn; None: not
    said."""

    @abstractmethod
    def rewards(self, group: GroupView) -> Reward:
        """[G] rewards of one group, finite, of either sign. Rows that are not counted are set to 0 afterwards."""

    def reweigh(self, group: GroupView, advantages_G: FloatArray) -> FloatArray:
        """[G] advantages of one group as they go into the loss, from those that baseline and scaling gave."""
        return advantages_G

    def check_run(self, siblings: int, cap: int | None) -> None:
        """UserError where groups of ``siblings`` under ``cap`` tokens (None: unknown) leave it without effect."""
        return None

    def initial_state(self) -> State:
        """What is remembered before the first step. Only for methods with ``Need.STATE``."""
        return {}

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        """What is remembered after a step with these groups; ``state`` itself is left as it is."""
        return state


def settle(method: Method, **rules: tuple[str, float, float]) -> None:
    """Make the named settings of ``method`` finite floats with low <= value < high, for ``__post_init__``.

    A rule is (how messages state it, low, high). UserError for the first setting that breaks its rule.
    """
    for name, (rule, low, high) in rules.items():
        object.__setattr__(method, name, number(name, getattr(method, name), rule, low, high))


def price_of_length(alpha: object) -> float:
    """The paper's alpha as a float, 0 <= alpha < 1; UserError for anything else."""
    reason = "0 <= alpha < 1 (below 1 every correct response still earns more than a wrong one; the paper: 0.05 to 0.4)"
    return number("alpha", alpha, reason, 0.0, 1.0)
