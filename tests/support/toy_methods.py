"""Toy methods that tests name as ``toy_methods:Name``: good ones, and ones that are wrong in one way each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tersely.objective import GroupView, Method, Need, Reward, State


@dataclass(frozen=True)
class Flat(Method):
    """r_i = s_i - price * l_i: raw lengths, negative rewards, wrong responses pay too."""

    price: float = 0.001

    def rewards(self, group: GroupView) -> Reward:
        return Reward(group.scores_G - self.price * group.lengths_G)


@dataclass(frozen=True)
class Asks(Method):
    """Shows that everything a later method may ask for arrives."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.TRUNCATED, Need.CAP, Need.BUDGET, Need.TEXT})

    def rewards(self, group: GroupView) -> Reward:
        waits = np.array([text.count("Wait") for text in group.texts_G or ()])
        near = np.abs(group.lengths_G - group.budgets_G) / group.cap
        return Reward(group.scores_G - near - waits - 10 * group.truncated_G)


@dataclass(frozen=True)
class Shortest(Method):
    """r_i = s_i * (shortest correct length of the problem so far) / l_i: state for each problem."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.STATE, Need.PROBLEM})

    def rewards(self, group: GroupView) -> Reward:
        best = (group.state or {}).get(group.problem_id)
        return Reward(group.scores_G if best is None else group.scores_G * best / group.lengths_G)

    def update(self, state: State, groups: Sequence[GroupView]) -> State:
        after = dict(state)
        for group in groups:
            known = [after[group.problem_id]] if group.problem_id in after else []
            after[group.problem_id] = min([*known, *group.lengths_G[group.earning_G].tolist()], default=1e9)
        return after


class NoMethod:
    def rewards(self, group: GroupView) -> Reward:
        return Reward(group.scores_G)


class TakesNothing(Method):
    def rewards(self) -> Reward:  # type: ignore[override]
        return Reward(np.zeros(0))


class GivesNonsense(Method):
    gives: ClassVar[object] = None

    def rewards(self, group: GroupView) -> Reward:
        return self.gives  # type: ignore[return-value]


class Raises(Method):
    def rewards(self, group: GroupView) -> Reward:
        raise KeyError("no such column")


class RemembersASet(Method):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.STATE})

    def rewards(self, group: GroupView) -> Reward:
        return Reward(group.scores_G)

    def initial_state(self) -> State:
        return {"seen": (1, 2)}
