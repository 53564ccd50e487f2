"""How long a response may be at a step: a pure function of the step, so that a resumed run needs no state of it.

To add one: a frozen dataclass here that extends ``CapSchedule``, and a line in ``CAP_SCHEDULES``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.objective import Need, Objective
from tersely.objective.build import build, find_class
from tersely.plugins import require_signature

CONSTANT = "constant"


class CapSchedule(ABC):
    """Base of every schedule of the cap; its dataclass fields are its settings."""

    @abstractmethod
    def cap_at(self, most: int, step: int) -> int:
        """Tokens at step ``step`` (the first that trains is 1), from 1 to ``most`` (``sampling.max_new_tokens``)."""


@dataclass(frozen=True)
class ConstantCap(CapSchedule):
    """cap_k = most: the paper's."""

    def cap_at(self, most: int, step: int) -> int:
        return most


@dataclass(frozen=True)
class LinearCap(CapSchedule):
    """cap_k = start + (end - start) * k / steps, to the next whole token, up to k = steps, then end.

    Degenerate cases: start = end and steps = 1 are constant.
    """

    steps: int
    """Steps until ``end`` is reached, >= 1."""
    start: int | None = None
    """Cap before the first step; None: most."""
    end: int | None = None
    """Cap from step ``steps`` on; None: most."""

    def __post_init__(self) -> None:
        if self.start is None and self.end is None:
            raise UserError("the cap's schedule moves nothing: give start, or end, or both")
        _require_whole("steps", self.steps)
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None:
                _require_whole(name, value)

    def cap_at(self, most: int, step: int) -> int:
        start, end = self.start or most, self.end or most
        return round(start + (end - start) * min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class StagedCap(CapSchedule):
    """caps[0] for ``steps`` steps, then caps[1], and so on; the last one stays.

    ThinkPrune (arXiv 2504.01296): 4,000, then 3,000, then 2,000 tokens.
    """

    caps: Sequence[int]
    """Tokens, one number a stage."""
    steps: int
    """Of a stage, >= 1."""

    def __post_init__(self) -> None:
        if not isinstance(self.caps, list | tuple) or not self.caps:
            raise UserError(f"caps of the cap's schedule must be a list such as [4000,3000,2000], not {self.caps!r}")
        _require_whole("steps", self.steps)
        for cap in self.caps:
            _require_whole("caps", cap)

    def cap_at(self, most: int, step: int) -> int:
        return self.caps[min((step - 1) // self.steps, len(self.caps) - 1)]


CAP_SCHEDULES: Mapping[str, type[CapSchedule]] = MappingProxyType(
    {
        CONSTANT: ConstantCap,
        "linear": LinearCap,
        "stages": StagedCap,
    }
)
"""Schedules by the name that ``run.cap_schedule`` uses."""


def find_caps(config: TrainConfig, objective: Objective) -> CapSchedule:
    """The schedule of the cap that was asked for. UserError where there is none such, where a step's cap is none, and
    where the objective's rewards would mean something else from step to step."""
    name = config.run.cap_schedule
    kind = find_class("cap schedule", name, CAP_SCHEDULES, CapSchedule, "tersely.learn.caps")
    caps = build("cap schedule", name, kind, config.run.cap_settings)
    require_signature("cap schedule", f"{name}.cap_at", caps.cap_at, "most", "step")
    if name != CONSTANT:
        _require_no_other_meaning(config, objective)
    most = config.sampling.max_new_tokens
    for cap in dict.fromkeys(_require_cap(caps, name, most, step) for step in range(1, config.run.steps + 1)):
        objective.check_run(config.sampling.n, cap)
    return caps


def _require_no_other_meaning(config: TrainConfig, objective: Objective) -> None:
    if Need.CAP in objective.needs:
        raise UserError(
            f"objective {objective.method!r} measures lengths by the cap, so that the same response would earn "
            "something else from step to step: leave run.cap_schedule out, or take an objective that looks at no cap"
        )
    if config.budgets is not None:
        raise UserError(
            "prompts ask for budgets up to the cap, which run.cap_schedule would cut below them: leave it out, or "
            "train without budgets"
        )


def _require_cap(caps: CapSchedule, name: str, most: int, step: int) -> int:
    try:
        cap = caps.cap_at(most, step)
    except Exception as error:  # the boundary to a user's schedule, which may raise anything
        raise UserError(
            f"cap schedule {name!r} cannot be followed at step {step} ({type(error).__name__}: {error})"
        ) from error
    if isinstance(cap, bool) or not isinstance(cap, int) or not 1 <= cap <= most:
        raise UserError(
            f"cap schedule {name!r} gives {cap!r} at step {step}: a cap is a whole number of tokens from 1 to "
            f"sampling.max_new_tokens = {most}"
        )
    return cap


def _require_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"{name} of the cap's schedule must be a whole number of at least 1, not {value!r}")
