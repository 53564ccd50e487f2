"""Levels of effort in the objective: each group has the alpha of the level that it was asked with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tersely.config import resolve
from tersely.errors import UserError
from tersely.objective import GroupView, Objective
from tersely.objective.inputs import read_group

LEVELS = {"low": 0.4, "high": 0.0}


def group(level: str | None, lengths: tuple[int, ...] = (10, 20, 40)) -> GroupView:
    return replace(read_group([True, True, False], lengths), level=level)


@pytest.mark.parametrize("method", ["paper", "linear", "kimi", "gr3"])
def test_a_group_earns_what_it_would_earn_under_the_alpha_of_its_level(method: str) -> None:
    groups = [group("low"), group("high", (30, 5, 9)), group("low", (7, 8, 9))]
    found = Objective(method=method, levels=LEVELS).credits(groups)
    for credit, one in zip(found, groups, strict=True):
        assert one.level is not None
        [alone] = Objective(LEVELS[one.level], method=method).credits([one])
        assert np.array_equal(credit.rewards_G, alone.rewards_G)
        assert np.array_equal(credit.advantages_G, alone.advantages_G)


def test_advantages_of_a_whole_step_are_whitened_together() -> None:
    groups = [group("low"), group("high", (30, 5, 9))]
    found = Objective(levels=LEVELS, normalize="batch").credits(groups)
    whole = sum(float(credit.advantages_G @ one.lengths_G) for credit, one in zip(found, groups, strict=True))
    assert whole == pytest.approx(0.0, abs=1e-6), "over the tokens of the step"


def test_the_objective_has_levels_in_place_of_an_alpha() -> None:
    objective = Objective(levels=LEVELS)
    assert objective.alpha is None
    assert objective.at(7) == objective
    config = resolve({"model": "m", "task": "t", "objective": {"levels": LEVELS}}).objective
    assert (config.alpha, config.label) == (None, "efforts")
    assert Objective(**config.model_dump()) == objective
    assert config.record()["levels"] == LEVELS
    assert "levels" not in resolve({"model": "m", "task": "t"}).objective.record()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"alpha": 0.1}, "beside objective.levels, each of which has an alpha"),
        ({"method": "dot"}, "method 'dot' has none: leave levels out"),
        (
            {"schedule": "linear", "schedule_settings": {"steps": 3}},
            "moves one alpha, and objective.levels has several",
        ),
        ({"normalize": "group"}, "alpha cancels out and all of objective.levels would be one"),
        ({"levels": {"low": 1.5}}, "alpha must be a number with 0 <= alpha < 1"),
        ({"levels": {"very low": 0.1}}, "'very low' is no name of a level"),
        ({"levels": {"../low": 0.1}}, "is no name of a level"),
    ],
)
def test_levels_that_could_not_work_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        Objective(**{"levels": LEVELS, **given})


def test_a_group_without_a_known_level_is_refused() -> None:
    objective = Objective(levels=LEVELS)
    with pytest.raises(UserError, match=r"unknown level 'lo'.*did you mean 'low'"):
        objective.credits([group("lo")])
    with pytest.raises(UserError, match="it is not said which a group was asked with"):
        objective.credit([True, False], [1, 2])
