"""The objective as one frozen value: lengths and correctness in, rewards and advantages out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from tersely.errors import UserError, require_known
from tersely.objective.advantage import BASELINES, NORMALIZATIONS
from tersely.objective.inputs import GroupInput, read_group
from tersely.objective.length import PENALTIES
from tersely.objective.reward import Reward, length_penalised_reward
from tersely.records import Credit, FloatArray

GroupArrays = tuple[ArrayLike, ArrayLike, ArrayLike | None]
"""(correct [G], lengths [G], judged [G] or None for "all judged") of one group."""

TOO_FEW = "fewer than two judged responses"
"""``Credit.dropped`` of a group that has no sibling to be compared with."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is maximised: E[1{correct} * (1 - alpha * f(z))] (arXiv 2502.04463, Eq. 4-5), by policy gradient.

    Example: ``Objective(alpha=0.1).credit([True, True, False], [120, 480, 900])``. Raises UserError for an alpha
    outside [0, 1) and for unknown names.
    """

    alpha: float
    """Price of length, 0 <= alpha < 1; 0 is plain accuracy."""
    penalty: str = "sigmoid"
    """f, one of ``length.PENALTIES``."""
    advantage: str = "rloo"
    """Baseline within the group, one of ``advantage.BASELINES``."""
    normalize: str = "none"
    """Scaling of advantages, one of ``advantage.NORMALIZATIONS``; "none" is the paper's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _valid_alpha(self.alpha))
        require_known("penalty", str(self.penalty), PENALTIES)
        require_known("advantage", str(self.advantage), BASELINES)
        require_known("normalize", str(self.normalize), NORMALIZATIONS)

    def credit(self, correct_G: ArrayLike, lengths_G: ArrayLike, judged_G: ArrayLike | None = None) -> Credit:
        """Credit of one group on its own: the same as ``credits`` of a step that holds only this group.

        ``correct_G`` [G] booleans (truncated responses marked wrong by the caller), ``lengths_G`` [G] tokens,
        ``judged_G`` [G] booleans, False where the judge could not say. Raises UserError for shapes that differ, no
        response, or lengths that are not finite or negative. See ``credits`` for the degenerate cases.
        """
        return self._credit_step([read_group(correct_G, lengths_G, judged_G)])[0]

    def credits(self, groups: Sequence[GroupArrays]) -> list[Credit]:
        """Credit of every group of a step, in order; only ``normalize="batch"`` looks across groups.

        r_i = 1{correct_i} * (1 - alpha * f(z_i)) (arXiv 2502.04463, Eq. 4-5) and, by default,
        A_i = r_i - mean of the other counted r_j (section 4.1).

        Degenerate cases: unjudged responses take no part in length statistics, baseline or scaling and get reward
        and advantage 0; a group with fewer than two judged responses is dropped (advantages 0, rewards kept); equal
        rewards give advantages 0, except under "batch", which shifts them as the released code does. Never NaN.
        """
        return self._credit_step([read_group(*group, where=f"group {i}: ") for i, group in enumerate(groups)])

    def _credit_step(self, groups: Sequence[GroupInput]) -> list[Credit]:
        rewards = [self._reward(group) for group in groups]
        advantages = self._advantages(groups, rewards)
        return [_as_credit(*row) for row in zip(groups, rewards, advantages, strict=True)]

    def _reward(self, group: GroupInput) -> Reward:
        penalty = PENALTIES[self.penalty]
        return length_penalised_reward(group.correct_G, group.lengths_G, group.counted_G, self.alpha, penalty)

    def _advantages(self, groups: Sequence[GroupInput], rewards: Sequence[Reward]) -> list[FloatArray]:
        """[G] advantages a group: baseline and scaling over the counted rows of the groups that are not dropped."""
        kept = [i for i, group in enumerate(groups) if not _is_dropped(group)]
        rewards_kept = [rewards[i].rewards_G[groups[i].counted_G] for i in kept]
        lengths_kept = [groups[i].lengths_G[groups[i].counted_G] for i in kept]
        raw = [BASELINES[self.advantage](rewards_N) for rewards_N in rewards_kept]
        scaled = NORMALIZATIONS[self.normalize](raw, rewards_kept, lengths_kept)
        advantages = [np.zeros(group.correct_G.shape) for group in groups]
        for i, advantages_N in zip(kept, scaled, strict=True):
            advantages[i][groups[i].counted_G] = advantages_N
        return advantages


def _valid_alpha(alpha: object) -> float:
    if isinstance(alpha, bool) or not isinstance(alpha, Real):
        raise UserError(f"alpha must be a number with 0 <= alpha < 1, not {alpha!r}")
    value = float(alpha)
    if not math.isfinite(value) or not 0 <= value < 1:
        reason = "below 1 every correct response still earns more than a wrong one"
        raise UserError(f"alpha must be 0 <= alpha < 1 ({reason}), not {alpha}; the paper uses 0.05 to 0.4")
    return value


def _is_dropped(group: GroupInput) -> bool:
    return int(group.counted_G.sum()) < 2


def _as_credit(group: GroupInput, reward: Reward, advantages_G: FloatArray) -> Credit:
    parts = {"accuracy": reward.accuracy_G, "penalty": reward.penalty_G}
    dropped = TOO_FEW if _is_dropped(group) else None
    return Credit(reward.rewards_G, advantages_G, group.counted_G, dropped, parts)
