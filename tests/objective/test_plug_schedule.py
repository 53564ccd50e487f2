"""What alpha is at a step: a pure function of the step, known before the first one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.errors import RunError, UserError
from tersely.objective import Objective, Schedule, credit
from tersely.objective.schedule import SCHEDULES, LinearRamp


@dataclass(frozen=True)
class Half(Schedule):
    """A toy: half of alpha until ``until``."""

    until: int = 3

    def alpha_at(self, alpha: float, step: int) -> float:
        return alpha / 2 if step <= self.until else alpha


class Climbs(Schedule):
    def alpha_at(self, alpha: float, step: int) -> float:
        return alpha * step


class TakesNoStep(Schedule):
    def alpha_at(self, alpha: float) -> float:  # type: ignore[override]
        return alpha


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])


def test_constant_is_the_very_same_objective() -> None:
    objective = Objective(0.2)
    assert objective.at(1) is objective
    assert objective.at(1000) is objective


def test_linear_rises_from_zero_and_then_stays() -> None:
    objective = Objective(0.2, schedule="linear", schedule_settings={"steps": 4})
    # 0.2 * k / 4
    assert [objective.at(step).alpha for step in (1, 2, 3)] == pytest.approx([0.05, 0.1, 0.15])
    assert [objective.at(step).alpha for step in (4, 5, 400)] == [0.2] * 3
    assert objective.alpha == 0.2


def test_linear_may_start_elsewhere_and_fall() -> None:
    objective = Objective(0.1, schedule="linear", schedule_settings={"steps": 10, "start": 0.4})
    # 0.4 - 0.3 * k / 10
    assert [objective.at(step).alpha for step in (1, 5, 10)] == pytest.approx([0.37, 0.25, 0.1])


def test_the_objective_of_a_step_is_the_constant_one_with_that_alpha() -> None:
    step = Objective(0.2, "linear", "mean", "group", schedule="linear", schedule_settings={"steps": 4}).at(1)
    assert step == Objective(0.05, "linear", "mean", "group")
    assert step.at(3) is step
    got, plain = (o.credit([1, 1, 0], [5, 9, 3]) for o in (step, Objective(0.05, "linear", "mean", "group")))
    assert got.rewards_G.tolist() == plain.rewards_G.tolist()


@given(st.floats(0, 0.99), st.floats(0, 0.99), st.integers(1, 50), st.integers(0, 100))
def test_linear_never_leaves_start_and_alpha(alpha: float, start: float, steps: int, step: int) -> None:
    low, high = sorted((alpha, start))
    assert low - 1e-12 <= LinearRamp(steps, start).alpha_at(alpha, step) <= high + 1e-12
    assert LinearRamp(steps, start).alpha_at(alpha, steps) == alpha


def test_a_users_own_schedule_and_one_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Objective(0.2, schedule="mine:Half").at(3).alpha == 0.1
    monkeypatch.setattr(credit, "SCHEDULES", MappingProxyType({**SCHEDULES, "half": Half}))
    objective = Objective(0.2, schedule="half", schedule_settings={"until": 1})
    assert [objective.at(step).alpha for step in (1, 2)] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "mine:Gone"}, "schedule 'mine:Gone' cannot be imported"),
        ({"schedule": "json:dumps"}, "must be a subclass of tersely.objective.Schedule"),
        ({"schedule": "mine:TakesNoStep"}, r"'mine:TakesNoStep.alpha_at' must take \(alpha, step\)"),
        ({"schedule": "linear"}, "schedule 'linear' needs steps"),
        ({"schedule_settings": {"steps": 3}}, "unknown setting 'steps' of schedule 'constant'; it has none"),
        ({"schedule": "linear", "schedule_settings": {"step": 3}}, "unknown setting 'step'.*did you mean 'steps'"),
        ({"schedule": "linear", "schedule_settings": {"steps": 0}}, "at least 1, not 0"),
        ({"schedule": "linear", "schedule_settings": {"steps": 2.5}}, "whole number"),
        ({"schedule": "linear", "schedule_settings": {"steps": True}}, "whole number"),
        ({"schedule": "linear", "schedule_settings": {"steps": 9, "start": -1}}, "0 <= start, not -1"),
        (
            {"schedule": "linear", "schedule_settings": {"steps": 9, "start": 1.5}},
            "'linear' cannot be .*0 <= alpha < 1",
        ),
    ],
)
def test_schedules_that_cannot_work_are_refused_at_once(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(0.2, **options)  # type: ignore[arg-type]


def test_a_method_without_alpha_has_nothing_to_schedule() -> None:
    with pytest.raises(UserError, match="schedule 'linear' has nothing to move"):
        Objective(method="toy_methods:Flat", schedule="linear", schedule_settings={"steps": 3})


def test_an_alpha_that_a_later_step_cannot_have_stops_the_run_there() -> None:
    objective = Objective(0.4, schedule="mine:Climbs")
    assert objective.at(2).alpha == 0.8
    with pytest.raises(RunError, match="schedule 'mine:Climbs' cannot be followed at step 3: alpha must be"):
        objective.at(3)
