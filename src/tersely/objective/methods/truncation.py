"""Length by the cap alone: ThinkPrune and DLER."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective.group import GroupView
from tersely.objective.methods.base import ABOVE_0, Method, settle
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward


@dataclass(frozen=True)
class Truncation(Method):
    """r_i = s_i * 1[l_i <= limit]: no length term, only a cap.

    DLER (arXiv 2510.15110, NVlabs/DLER@ea7d4f7) samples under a cap of 4,000 tokens, ThinkPrune (arXiv 2504.01296,
    UCSB-NLP-Chang/ThinkPrune@0f7449b) under 4,000, 3,000 and 2,000, each round from the last one's checkpoint. Sampling
    under that cap (``sampling.max_new_tokens``) is cheaper and gives the same rewards; ``limit`` is for responses that
    were sampled under a larger one, and counts longer ones as truncated. ThinkPrune grades a truncated text as it
    stands; here a truncated response is never correct. No statistic, hence no ddof (DLER: advantages r - group mean,
    whitened over the tokens of the batch: ``normalize="batch"`` with ``advantage="mean"``; ThinkPrune: GRPO, ddof 1).

    Degenerate cases: a group within the limit that is all right, or all wrong, teaches nothing.
    """

    promise: ClassVar[Promise] = Promise(
        Order.TIES, AllWrong.NOTHING, "a right one beyond the limit counts as truncated and earns 0"
    )

    limit: float = 4000.0
    """Tokens, > 0."""

    def __post_init__(self) -> None:
        settle(self, limit=("limit > 0 tokens", ABOVE_0, np.inf))

    def rewards(self, group: GroupView) -> Reward:
        return Reward(np.where(group.lengths_G <= self.limit, group.scores_G, 0.0))
