"""The paper's own objective (arXiv 2502.04463, Eq. 4-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tersely.objective.group import GroupView
from tersely.objective.length import sigmoid
from tersely.objective.methods.base import Method, price_of_length
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward, length_penalised_reward


@dataclass(frozen=True)
class Paper(Method):
    """r_i = s_i * (1 - alpha * sigmoid(z_i)), z over the correct siblings, population std (arXiv 2502.04463, Eq. 4-5).

    Every correct response earns more than every wrong one; a group without a correct one teaches nothing. Degenerate
    cases: see ``reward.length_penalised_reward``.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    alpha: float
    """Price of length, 0 <= alpha < 1; 0 is plain accuracy."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", price_of_length(self.alpha))

    def rewards(self, group: GroupView) -> Reward:
        return length_penalised_reward(group, self.alpha, sigmoid)
