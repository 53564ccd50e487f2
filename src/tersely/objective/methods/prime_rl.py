"""The length penalty of prime-rl (PrimeIntellect-ai/prime-rl)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.objective.length import mean_length
from tersely.objective.methods.base import Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class PrimeRl(Method):
    """r_i = s_i - mean(s) * (output * l_i / max(l) + prompt + turns), mean and max over the counted siblings.

    prime-rl@559b44772, orchestrator/algo/grpo.py, where prompt and turns are multiplied by their own share of the
    group's largest: siblings here have one prompt and one turn, so both shares are 1 and fall out of the advantage.
    Its advantages are minus the mean, not divided by a deviation (``advantage="mean"``): no ddof.

    Degenerate cases: wrong responses of a mixed group pay too, in proportion to how often the others are right; groups
    without a right one have mean 0 and teach nothing; lengths that are all 0 pay no price of length. With weights that
    sum to less than 1 a right response earns more than 0 and a wrong one at most 0.
    """

    promise: ClassVar[Promise] = Promise(Order.KEPT, AllWrong.NOTHING)

    output: float = 0.25
    """Weight of the response's tokens, >= 0."""
    prompt: float = 0.1
    """Weight of the prompt's tokens, >= 0."""
    turns: float = 0.1
    """Weight of the turns, >= 0."""

    def __post_init__(self) -> None:
        weight = ("a number from 0 to 1", 0.0, 1.0)
        settle(self, output=weight, prompt=weight, turns=weight)
        if self.output + self.prompt + self.turns >= 1:
            raise UserError(
                "prime-rl's output + prompt + turns must stay below 1, or a wrong answer can earn as much as a right "
                "one"
            )

    def rewards(self, group: GroupView) -> Reward:
        counted_G = group.counted_G
        if not counted_G.any():
            return Reward(np.zeros_like(group.scores_G))
        longest = max(float(group.lengths_G[counted_G].max()), 1.0)
        price_G = self.output * group.lengths_G / longest + self.prompt + self.turns
        return Reward(group.scores_G - mean_length(group.scores_G[counted_G]) * price_G)
