"""The objective as one frozen value: lengths and correctness in, rewards and advantages out."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tersely.errors import RunError, TerselyError, UserError, require_known
from tersely.objective.advantage import ADVANTAGES, NORMALIZATIONS
from tersely.objective.build import build, find_class, setting_names
from tersely.objective.flat import FlatCredit, joined, places_of, split
from tersely.objective.given import finite, plain, whole_reward
from tersely.objective.group import GroupView, Need, State
from tersely.objective.inputs import read_group
from tersely.objective.levels import require_sense
from tersely.objective.methods import METHODS
from tersely.objective.methods.base import Method
from tersely.objective.promise import AllWrong, Promise
from tersely.objective.reward import Reward
from tersely.objective.schedule import SCHEDULES, Schedule
from tersely.plugins import require_signature
from tersely.records import Credit, FloatArray

GroupArrays = tuple[ArrayLike, ArrayLike, ArrayLike | None]
"""(correct [G], lengths [G], judged [G] or None for "all judged") of one group."""

TOO_FEW = "fewer than two judged responses"
"""``Credit.dropped`` of a group that has no sibling to be compared with."""
NO_RIGHT = "no right response"
"""``Credit.dropped`` of a group that a filter leaves out by its raw scores, whatever its rewards."""
ALL_EQUAL = "all rewards are equal"
"""``Credit.dropped`` of a group without signal, where those are left out."""
FILTERS = ("none", "all_wrong", "equal")
"""Which groups are left out: none (the paper's), those without a right response, and those whose rewards are equal
besides."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is maximised, by policy gradient. By default the paper's: E[s * (1 - alpha * f(z))] (arXiv 2502.04463).

    Examples: ``Objective(alpha=0.1).credit([True, True, False], [120, 480, 900])``;
    ``Objective(method="mine.rewards:Flat", settings={"price": 1e-4})``. A name with a colon is imported when the
    objective is made, and never before. Raises UserError for unknown names and for settings that a method refuses.
    """

    alpha: float | None = None
    """Price of length, for methods that have one (the paper's: 0 <= alpha < 1); None takes the method's own."""
    method: str = "paper"
    """A group in, rewards out: one of ``methods.METHODS``, or a subclass of ``Method`` as package.module:Name."""
    advantage: str = "rloo"
    """Baseline within the group, one of ``advantage.ADVANTAGES``."""
    normalize: str = "none"
    """Scaling of advantages, one of ``advantage.NORMALIZATIONS``; "none" is the paper's."""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further settings of the method, by name."""
    schedule: str = "constant"
    """What alpha is at a step (``at``): one of ``schedule.SCHEDULES``, or a subclass of ``Schedule`` of one's own."""
    schedule_settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Settings of the schedule, by name."""
    filter: str = "none"
    """Which groups give no credit, one of ``FILTERS``: before scaling, so that "batch" does not look at them."""
    levels: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Alpha by level of effort, for groups that say which they were asked with (``GroupView.level``); then no alpha."""
    _method: Method = field(init=False, repr=False, compare=False)
    """With levels that of the first: what it needs and promises is that of all."""
    _by_level: Mapping[str, Method] = field(init=False, repr=False, compare=False)
    _schedule: Schedule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_known("advantage", str(self.advantage), ADVANTAGES)
        require_known("normalize", str(self.normalize), NORMALIZATIONS)
        require_known("filter", str(self.filter), FILTERS)
        for name in ("settings", "schedule_settings", "levels"):
            object.__setattr__(self, name, _copied(name, getattr(self, name)))
        by_level = _build_levels(self)
        method = next(iter(by_level.values())) if by_level else _build_method(self, self.alpha)
        alpha = None if by_level else getattr(method, "alpha", self.alpha)
        built = {"_method": method, "_by_level": by_level, "_schedule": _build_schedule(self), "alpha": alpha}
        for name, value in built.items():
            object.__setattr__(self, name, value)
        if self.schedule != "constant":
            self._scheduled(1)

    @property
    def needs(self) -> frozenset[Need]:
        """What the method must be shown beyond scores and lengths."""
        return self._method.needs

    def require_given(self, given: Collection[Need]) -> None:
        """UserError that names what the method needs beyond ``given``: for callers, before anything is loaded."""
        missing = [need.words for need in Need if need in self.needs and need not in given]
        if missing:
            raise UserError(f"method {self.method!r} needs {' and '.join(missing)}, which it cannot be given here")

    @property
    def promise(self) -> Promise | None:
        """What the method declares of right and wrong; None where it does not say."""
        return self._method.promise

    @property
    def notice(self) -> str | None:
        """What to know of the method before a run, in one line; None where it declares nothing."""
        if self.promise is None:
            return None
        grows = self.normalize == "group" and self.promise.all_wrong is not AllWrong.NOTHING
        warning = ", which normalize = group blows up to the size of a right answer" if grows else ""
        return f"objective {self.method}: {self.promise.words}{warning}"

    def check_run(self, siblings: int, cap: int | None) -> None:
        """UserError where the method has no effect on groups of ``siblings`` under ``cap`` tokens (None: unknown)."""
        with _boundary(self.method):
            self._method.check_run(siblings, cap)

    def at(self, step: int) -> Objective:
        """The objective of one step (the first that trains is 1): itself with the alpha that the schedule gives."""
        try:
            return self._scheduled(step)
        except UserError as error:
            raise RunError(str(error)) from error

    def _scheduled(self, step: int) -> Objective:
        if self.schedule == "constant":
            return self
        if self.alpha is None:
            raise UserError(f"schedule {self.schedule!r} has nothing to move: method {self.method!r} has no alpha")
        try:
            alpha = self._schedule.alpha_at(self.alpha, step)
            return replace(self, alpha=alpha, schedule="constant", schedule_settings={})
        except Exception as error:  # the boundary to a user's schedule, which may raise or give anything
            raise UserError(f"schedule {self.schedule!r} cannot be followed at step {step}: {error}") from error

    def credit(self, correct_G: ArrayLike, lengths_G: ArrayLike, judged_G: ArrayLike | None = None) -> Credit:
        """Credit of one group on its own: the same as ``credits`` of a step that holds only this group.

        ``correct_G`` [G] booleans, or scores in [0, 1] (truncated responses marked wrong by the caller),
        ``lengths_G`` [G] tokens, ``judged_G`` [G] booleans, False where the judge could not say. Raises UserError for
        shapes that differ, no response, or lengths that are not finite or negative. See ``credits`` for the
        degenerate cases.
        """
        return self._credit_step([read_group(correct_G, lengths_G, judged_G)], None)[0]

    def credits(self, groups: Sequence[GroupArrays | GroupView], state: State | None = None) -> list[Credit]:
        """Credit of every group of a step, in order; only ``normalize="batch"`` looks across groups.

        By default r_i = s_i * (1 - alpha * f(z_i)), s_i = 1 where correct (arXiv 2502.04463, Eq. 4-5), and
        A_i = r_i - mean of the other counted r_j (section 4.1). Groups are (correct, lengths, judged) or, for methods
        that need more, ``view_of(group)``; ``state`` is for methods that remember (``initial_state``, ``next_state``).

        Degenerate cases: unjudged responses take no part in length statistics, baseline or scaling and get reward
        and advantage 0; a group with fewer than two judged responses is dropped (advantages 0, rewards kept); equal
        rewards give advantages 0, except under "batch", which shifts them as the released code does. Never NaN.
        Raises UserError for what ``credit`` refuses and for what the method needs and was not given.
        """
        views = [g if isinstance(g, GroupView) else read_group(*g, where=f"group {i}: ") for i, g in enumerate(groups)]
        return self._credit_step(views, state)

    def credit_flat(
        self,
        correct: ArrayLike,
        lengths: ArrayLike,
        group_ids: Iterable[Hashable],
        judged: ArrayLike | None = None,
        *,
        truncated: ArrayLike | None = None,
        texts: Sequence[str] | None = None,
        budgets: ArrayLike | None = None,
        cap: int | None = None,
        problem_ids: Sequence[str] | None = None,
        state: State | None = None,
    ) -> FlatCredit:
        """``credits`` for engines that hold flat batches: [N] rows in any order, siblings by equal ``group_ids``.

        ``correct``, ``lengths``, ``judged`` as in ``credit``, one value a row; lists, arrays or tensors on the CPU.
        The rest is for methods that need it: ``truncated`` [N] booleans, ``texts`` [N] responses, ``budgets`` [N]
        tokens that the prompt asked for, ``cap`` tokens, ``problem_ids`` [N] names that stay the same from step to
        step, ``state`` as it came out of the last batch (None at first). The batch is the whole step:
        ``normalize="batch"`` and the state look at all of it. Raises UserError as ``credits`` does.
        """
        places = places_of(group_ids)
        columns = {"correct_G": correct, "lengths_G": lengths, "judged_G": judged}
        further = {"truncated_G": truncated, "texts_G": texts, "budgets_G": budgets}
        groups = split(places, columns | further, cap, problem_ids)
        if Need.STATE not in self.needs:
            return joined(places, self._credit_step(groups, None), None)
        before = self.initial_state() if state is None else state
        return joined(places, self._credit_step(groups, before), self.next_state(before, groups))

    def initial_state(self) -> State:
        """What the method remembers before the first step; {} for one that remembers nothing."""
        with _boundary(self.method):
            return plain(self._method.initial_state())

    def next_state(self, state: State, groups: Sequence[GroupView]) -> State:
        """What it remembers after a step with these groups: plain JSON values, for the checkpoint."""
        with _boundary(self.method):
            return plain(self._method.update(state, groups))

    def _credit_step(self, groups: Sequence[GroupView], state: State | None) -> list[Credit]:
        if Need.STATE in self.needs:
            groups = [replace(group, state=state) for group in groups]
        rewards = [self._reward(group) for group in groups]
        dropped = [self._why_dropped(*row) for row in zip(groups, rewards, strict=True)]
        advantages = self._advantages(groups, rewards, dropped)
        return [
            Credit(r.rewards_G, a_G, g.counted_G, why, dict(r.parts))
            for g, r, a_G, why in zip(groups, rewards, advantages, dropped, strict=True)
        ]

    def _why_dropped(self, group: GroupView, reward: Reward) -> str | None:
        """Why a whole group gives no credit; None where it does."""
        rewards_N = reward.rewards_G[group.counted_G]
        if rewards_N.size < 2:
            return TOO_FEW
        if self.filter != "none" and not group.earning_G.any():
            return NO_RIGHT
        return ALL_EQUAL if self.filter == "equal" and rewards_N.max() == rewards_N.min() else None

    def _reward(self, group: GroupView) -> Reward:
        if self.needs:
            self.require_given([need for need in Need if getattr(group, need) is not None])
        with _boundary(self.method):
            return whole_reward(self._method_for(group).rewards(group), group)

    def _method_for(self, group: GroupView) -> Method:
        """The method with the alpha of the group's level, where there are levels."""
        if not self.levels:
            return self._method
        if group.level is None:
            raise UserError(
                "objective.levels gives each level its alpha, and it is not said which a group was asked with"
            )
        return self._by_level[require_known("level", group.level, self.levels)]

    def _advantages(
        self, groups: Sequence[GroupView], rewards: Sequence[Reward], dropped: Sequence[str | None]
    ) -> list[FloatArray]:
        """[G] advantages a group: baseline and scaling over the counted rows of the groups that are not dropped."""
        kept = [i for i, why in enumerate(dropped) if why is None]
        rewards_kept = [rewards[i].rewards_G[groups[i].counted_G] for i in kept]
        lengths_kept = [groups[i].lengths_G[groups[i].counted_G] for i in kept]
        raw = [ADVANTAGES[self.advantage](rewards_N) for rewards_N in rewards_kept]
        scaled = NORMALIZATIONS[self.normalize](raw, rewards_kept, lengths_kept)
        advantages = [np.zeros(group.scores_G.shape) for group in groups]
        for i, advantages_N in zip(kept, scaled, strict=True):
            advantages[i][groups[i].counted_G] = advantages_N
            advantages[i] = self._reweighed(groups[i], advantages[i])
        return advantages

    def _reweighed(self, group: GroupView, advantages_G: FloatArray) -> FloatArray:
        with _boundary(self.method):
            return finite("advantage", self._method_for(group).reweigh(group, advantages_G), group)


def _copied(name: str, settings: object) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        raise UserError(f"{name} must be a table of settings by name, not {settings!r}")
    return dict(settings)


def _build_levels(objective: Objective) -> dict[str, Method]:
    """The method of each level, with its alpha; empty where there are none."""
    if not objective.levels:
        return {}
    name = str(objective.method)
    kind = find_class("method", name, METHODS, Method)
    require_sense(objective.levels, name, kind, objective.alpha, objective.schedule, objective.normalize)
    return {level: _build_method(objective, alpha) for level, alpha in objective.levels.items()}


def _build_method(objective: Objective, alpha: float | None) -> Method:
    name = str(objective.method)
    kind = find_class("method", name, METHODS, Method)
    if "alpha" in objective.settings:
        raise UserError("alpha is a setting of the objective itself: give it as alpha, not among the method's settings")
    if alpha is not None and "alpha" not in setting_names(kind):
        raise UserError(f"method {name!r} has no alpha: leave alpha out")
    given = {} if alpha is None else {"alpha": alpha}
    method = build("method", name, kind, {**given, **objective.settings})
    require_signature("method", f"{name}.rewards", method.rewards, "group")
    require_signature("method", f"{name}.update", method.update, "state", "groups")
    require_signature("method", f"{name}.reweigh", method.reweigh, "group", "advantages_G")
    return method


def _build_schedule(objective: Objective) -> Schedule:
    name = str(objective.schedule)
    kind = find_class("schedule", name, SCHEDULES, Schedule)
    schedule = build("schedule", name, kind, objective.schedule_settings)
    require_signature("schedule", f"{name}.alpha_at", schedule.alpha_at, "alpha", "step")
    return schedule


@contextmanager
def _boundary(method: str) -> Iterator[None]:
    """Around what a method does, which may be a user's own and raise anything: RunError that names it."""
    try:
        yield
    except TerselyError:
        raise
    except Exception as error:
        raise RunError(f"method {method!r} failed ({type(error).__name__}: {error})") from error
