"""Groups that are left out of a step: by raw scores, before scaling; and the first that teach something are kept."""

from __future__ import annotations

import numpy as np
import pytest

from tersely.errors import UserError
from tersely.learn.fill import SPARE, credits_of_most
from tersely.objective import GroupView, Objective
from tersely.objective.credit import ALL_EQUAL, NO_RIGHT, TOO_FEW


def view(correct: list[int], lengths: list[int]) -> GroupView:
    return GroupView(np.array(correct, float), np.array(lengths, float), np.ones(len(correct), dtype=bool))


MIXED, RIGHT, SAME, WRONG = (
    view([1, 0], [10, 20]),
    view([1, 1], [10, 20]),
    view([1, 1], [10, 10]),
    view([0, 0], [10, 20]),
)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("none", [None, None, None, None]),
        ("all_wrong", [None, None, None, NO_RIGHT]),
        ("equal", [None, None, ALL_EQUAL, NO_RIGHT]),
    ],
)
def test_groups_are_left_out_by_what_they_can_teach(name: str, dropped: list) -> None:
    groups = [MIXED, RIGHT, SAME, WRONG]
    assert [c.dropped for c in Objective(0.1, filter=name).credits(groups)] == dropped
    # Of a method without a price of length an all-right group teaches nothing either.
    flat = [c.dropped for c in Objective(method="truncation", filter=name).credits(groups)]
    assert flat == [None, ALL_EQUAL if name == "equal" else None, *dropped[2:]]


def test_brevity_of_wrong_answers_is_left_out_although_their_rewards_differ() -> None:
    plain, kept = (Objective(method="kimi", filter=name).credit([0, 0], [10, 20]) for name in ("none", "all_wrong"))
    assert plain.advantages_G.tolist() == [0.2, -0.2]
    assert kept.advantages_G.tolist() == [0.0, 0.0]
    assert kept.rewards_G.tolist() == plain.rewards_G.tolist(), "rewards stay to be seen"
    assert kept.dropped == NO_RIGHT


def test_scaling_over_the_step_does_not_look_at_what_is_left_out() -> None:
    objective = Objective(0.1, normalize="batch", filter="equal")
    alone = objective.credits([MIXED])[0].advantages_G
    np.testing.assert_array_equal(objective.credits([WRONG, MIXED, SAME])[1].advantages_G, alone)
    assert not np.array_equal(Objective(0.1, normalize="batch").credits([WRONG, MIXED, SAME])[1].advantages_G, alone)


def test_too_few_judged_ones_come_first_and_unknown_filters_are_refused() -> None:
    assert Objective(0.1, filter="all_wrong").credit([0], [3]).dropped == TOO_FEW
    with pytest.raises(UserError, match=r"unknown filter 'all-wrong' .did you mean 'all_wrong'"):
        Objective(0.1, filter="all-wrong")


def test_the_first_groups_that_teach_something_are_kept_and_scaled_alone() -> None:
    objective = Objective(0.1, normalize="batch", filter="equal")
    found = credits_of_most(objective, [WRONG, MIXED, SAME, RIGHT, MIXED], {}, 2)
    assert [c.dropped for c in found] == [NO_RIGHT, None, ALL_EQUAL, None, SPARE]
    expected = objective.credits([MIXED, RIGHT])
    np.testing.assert_array_equal(found[1].advantages_G, expected[0].advantages_G)
    np.testing.assert_array_equal(found[3].advantages_G, expected[1].advantages_G)
    assert not found[4].advantages_G.any()
    assert found[4].rewards_G.tolist() == expected[0].rewards_G.tolist()


def test_where_no_more_were_drawn_than_are_needed_nothing_changes() -> None:
    objective = Objective(0.1, filter="equal")
    plain = objective.credits([WRONG, MIXED])
    assert [c.dropped for c in credits_of_most(objective, [WRONG, MIXED], {}, 2)] == [c.dropped for c in plain]
