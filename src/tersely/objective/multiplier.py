"""A multiplier that follows a length: it rises while responses are longer than wanted, and falls while shorter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.objective.length import mean_length
from tersely.records import FloatArray


def of_step(groups: Sequence[GroupView], values_of: Callable[[GroupView], FloatArray]) -> FloatArray:
    """What ``values_of`` gives of each group, in one array; empty where there is no group."""
    return np.concatenate([np.zeros(0), *map(values_of, groups)])


def counted_lengths(group: GroupView) -> FloatArray:
    """[N] of the counted responses."""
    return group.lengths_G[group.counted_G]


def followed(lam: float, groups: Sequence[GroupView], wanted: float, rate: float, low: float, high: float) -> float:
    """clip(lam + rate * (mean of all lengths / wanted - 1), low, high): a step of projected dual ascent.

    Degenerate case: a step without a counted response leaves ``lam`` as it is.
    """
    lengths_N = of_step(groups, counted_lengths)
    if not lengths_N.size:
        return lam
    return min(max(lam + rate * (mean_length(lengths_N) / wanted - 1.0), low), high)


def require_below_cap(method: str, setting: str, wanted: float, cap: int | None) -> None:
    """UserError where no response can be longer than ``wanted`` tokens."""
    if cap is not None and wanted >= cap:
        raise UserError(f"{method}'s {setting} = {wanted:g} must lie below the cap, which is {cap}: take a smaller one")
