"""What a method gave, looked at: it may be a user's own and give anything."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import ArrayLike

from tersely.objective.group import GroupView, State
from tersely.objective.reward import Reward
from tersely.records import FloatArray


def whole_reward(reward: Reward, group: GroupView) -> Reward:
    """What the method gave, 0 where not counted; an error where it is no finite reward for each response."""
    if not isinstance(reward, Reward):
        raise TypeError(f"it gave {type(reward).__name__} and not a tersely.objective.Reward")
    return Reward(finite("reward", reward.rewards_G, group), reward.parts)


def finite(what: str, values_G: ArrayLike, group: GroupView) -> FloatArray:
    taken_G = np.asarray(values_G, dtype=np.float64)
    if taken_G.shape != group.scores_G.shape:
        raise ValueError(f"it gave {what}s of shape {taken_G.shape} for {group.scores_G.size} responses")
    taken_G = np.where(group.counted_G, taken_G, 0.0)
    if not np.isfinite(taken_G).all():
        raise ValueError(f"it gave a {what} that is not finite: {taken_G.tolist()}")
    return taken_G


def plain(state: State) -> State:
    """The state, if it would come back from a checkpoint as it went in."""
    if json.loads(json.dumps(state, allow_nan=False)) != state:
        raise ValueError("its state would not come back from JSON as it is: use text keys, lists and plain numbers")
    return state
