"""The objective as mathematics: numpy float64 only, no torch, no files.

``Objective`` is the whole of it: a method (a whole group in, rewards out: ``methods/``), a baseline and a scaling
(``advantage``), and what alpha is at a step (``schedule``). The other names are for those who add a method of theirs.
"""

from __future__ import annotations

from tersely.objective.credit import Objective
from tersely.objective.flat import FlatCredit
from tersely.objective.group import GroupView, Need, State
from tersely.objective.inputs import view_of
from tersely.objective.methods.base import Method
from tersely.objective.promise import AllWrong, Order, Promise
from tersely.objective.reward import Reward
from tersely.objective.schedule import Schedule

__all__ = [
    "AllWrong",
    "FlatCredit",
    "GroupView",
    "Method",
    "Need",
    "Objective",
    "Order",
    "Promise",
    "Reward",
    "Schedule",
    "State",
    "view_of",
]
