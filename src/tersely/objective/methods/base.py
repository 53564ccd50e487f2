"""What a method is: a whole group in, rewards out.

To add one: a file beside this one with a frozen dataclass that extends ``Method``, and a line in ``METHODS``
(``methods/__init__.py``). Its fields are its settings; ``__post_init__`` refuses what cannot work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tersely.objective.build import number
from tersely.objective.group import GroupView, Need, State
from tersely.objective.reward import Reward


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

    @abstractmethod
    def rewards(self, group: GroupView) -> Reward:
        """[G] rewards of one group, finite, of either sign. Rows that are not counted are set to 0 afterwards."""

    def initial_state(self) -> State:
        """What is remembered before the first step. Only for methods with ``Need.STATE``."""
        return {}

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        """What is remembered after a step with these groups; ``state`` itself is left as it is."""
        return state


def price_of_length(alpha: object) -> float:
    """The paper's alpha as a float, 0 <= alpha < 1; UserError for anything else."""
    reason = "0 <= alpha < 1 (below 1 every correct response still earns more than a wrong one; the paper: 0.05 to 0.4)"
    return number("alpha", alpha, reason, 0.0, 1.0)
