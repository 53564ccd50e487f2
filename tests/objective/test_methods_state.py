"""Methods that remember: what they remember after each step, by hand, and that a checkpoint gives it back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from method_groups import Row, draw_group, group_of, published
from tersely.objective import GroupView, Need, Objective
from tersely.objective.methods import METHODS

REMEMBER = [name for name, kind in METHODS.items() if Need.STATE in kind.needs]


def groups_of(*rows: tuple[bool, int], problem: str = "p", cap: int = 32_000) -> list[GroupView]:
    return [group_of([Row(right, length) for right, length in rows], cap, problem)]


def test_laconic_moves_its_price_by_how_far_the_mean_is_from_the_budget() -> None:
    objective = published("laconic")
    # Mean of all, wrong ones too: 3000, so lam = 0 + 0.002 * (1.5 - 1) = 0.001.
    first = objective.next_state(objective.initial_state(), groups_of((True, 2000), (False, 4000)))
    assert first == {"lam": pytest.approx(0.001, abs=1e-15)}
    # Far below it would fall under 0: the floor; far above: the ceiling 0.1.
    assert objective.next_state(first, groups_of((True, 2))) == {"lam": 1e-5}
    assert published("laconic", {"rate": 1}).next_state(first, groups_of((True, 9000))) == {"lam": 0.1}
    assert objective.next_state(first, [group_of([Row(True, 9, judged=False)])]) == first


def test_leash_moves_its_price_both_ways() -> None:
    objective = published("leash", {"target": 1000})
    up = objective.next_state(objective.initial_state(), groups_of((True, 2000), (False, 1000)))
    assert up == {"lam": pytest.approx(0.2 + 0.05 * 0.5, abs=1e-15)}
    down = objective.next_state(up, groups_of((True, 500)))
    assert down == {"lam": pytest.approx(0.225 - 0.05 * 0.5, abs=1e-15)}


def test_hapo_keeps_the_shortest_right_length_of_each_problem() -> None:
    objective = published("hapo")
    state = objective.next_state({}, groups_of((True, 300), (True, 200), (False, 10)))
    assert state == {"p": 200.0}
    state = objective.next_state(state, groups_of((True, 900)) + groups_of((True, 40), problem="q"))
    assert state == {"p": 200.0, "q": 40.0}
    assert objective.next_state(state, groups_of((False, 1))) == state


def test_acoer_raises_its_bonus_while_accuracy_holds_and_lowers_it_when_it_falls() -> None:
    # span 1: the averages are the last step's own values. window 2: compared with the step before.
    settings = {"span": 1, "window": 2, "warmup": 0, "floor": 10}
    objective = published("acoer", settings)
    state = objective.next_state(objective.initial_state(), groups_of((True, 1000), (True, 600)))
    assert (state["a"], state["budget"], state["accuracy"], state["length"]) == (0.02, 4096.0, [1.0], 800.0)
    state = objective.next_state(state, groups_of((True, 400), (True, 200)))
    assert state["a"] == pytest.approx(0.02 * 1.02)
    assert state["budget"] == pytest.approx(0.85 * 300)
    state = objective.next_state(state, groups_of((True, 100), (False, 10_000)))  # accuracy 1 -> 1/2
    assert state["a"] == pytest.approx(0.02 * 1.02 * 0.95)
    assert state["budget"] == pytest.approx(85)
    assert objective.next_state(state, groups_of((True, 4)))["budget"] == 10


def test_acoer_averages_exponentially_and_waits_out_its_warm_up() -> None:
    objective = published("acoer", {"span": 3, "window": 2, "warmup": 2})  # weight 2 / 4
    state = objective.initial_state()
    seen = []
    for right in (True, False, False, False):
        state = objective.next_state(state, groups_of((right, 1000), (right, 1000)))
        seen.append((state["accuracy"][-1], state["a"]))
    # 1, 1/2, 1/4, 1/8; two steps of waiting, then falls of 1/4 and 1/8.
    assert [a for a, _ in seen] == [1, 0.5, 0.25, 0.125]
    assert [a for _, a in seen] == pytest.approx([0.02, 0.02, 0.019, 0.019 * 0.95])
    assert state["length"] == 1000.0, "steps without a right response leave the length as it is"


def test_acoer_stays_between_its_bounds() -> None:
    objective = published("acoer", {"window": 1, "warmup": 0, "start": 0.495, "floor": 1})
    state = objective.next_state(objective.initial_state(), groups_of((True, 5)))
    assert state["a"] == 0.5
    low = published("acoer", {"span": 1, "window": 2, "warmup": 0, "start": 0.0101})
    state = low.next_state(low.initial_state(), groups_of((True, 5)))
    assert low.next_state(state, groups_of((False, 5)))["a"] == 0.01


def test_laser_d_takes_the_smallest_target_that_covers_enough_of_a_level() -> None:
    objective = published("laser-d", {"every": 2, "lower": 100, "step": 100, "start": 777})
    # Two steps of 8 siblings. High (all right): lengths 50, 150, ..., 750. N = 16 // 3 = 5: a share of 1/5 is needed,
    # 2 of 8 (150 <= 200) are enough and 1 of 8 is not.
    high = [(True, 50 + 100 * i) for i in range(8)]
    # Medium (4 of 8): N = 2, a share of 1/2 is needed: 4 of 8 are at most 400.
    medium = [(i % 2 == 0, 50 + 100 * i) for i in range(8)]
    # Low (1 of 8): N = 1, all must be covered: 1,450 needs 1,500, but the longest seen is 1,450.
    low = [(i == 0, 50 + 200 * i) for i in range(8)]
    state = objective.next_state(objective.initial_state(), groups_of(*high, cap=2000) + groups_of(*medium, cap=2000))
    assert state["targets"] == {"low": 777.0, "medium": 777.0, "high": 777.0}
    state = objective.next_state(state, groups_of(*low, cap=2000))
    assert state["targets"] == {"low": 1450.0, "medium": 400.0, "high": 200.0}
    assert state["seen"] == {}
    shown = objective.credits(groups_of(*high, cap=2000), state)[0]
    assert shown.rewards_G.tolist() == [1.5, 1.5] + [1.0] * 6
    after = objective.next_state(objective.next_state(state, groups_of(*high, cap=2000)), groups_of(*high, cap=2000))
    assert after["targets"] == {"low": 750.0, "medium": 750.0, "high": 200.0}, "unseen levels: the longest response"


def test_laser_d_tells_levels_by_thirds() -> None:
    objective = published("laser-d")
    state = {**objective.initial_state(), "targets": {"low": 1.0, "medium": 2.0, "high": 3.0}}
    for right, most in [(0, 1), (1, 2), (2, 3), (3, 3)]:
        rows = [(i < right, 2 if most == 2 else 1 if most == 1 else 3) for i in range(3)]
        got = objective.credits(groups_of(*rows), state)[0].rewards_G
        assert got.tolist() == [1.5] * right + [-0.5] * (3 - right)
        longer = [(i < right, most + 1) for i in range(3)]
        assert objective.credits(groups_of(*longer), state)[0].rewards_G.tolist() == [1.0] * right + [-0.5] * (
            3 - right
        )


def many_steps(objective: Objective, steps: int, seed: int) -> list[list[GroupView]]:
    rng = np.random.default_rng(seed)
    return [[draw_group(rng, lambda n: rng.random(n) < 0.6) for _ in range(4)] for _ in range(steps)]


@pytest.mark.parametrize("name", REMEMBER)
def test_a_run_that_was_stopped_anywhere_remembers_the_same(name: str) -> None:
    settings = {"acoer": {"warmup": 3, "window": 4}, "laser-d": {"every": 3}}.get(name, {})
    objective = published(name, settings)
    whole = objective.initial_state()
    resumed = objective.initial_state()
    for groups in many_steps(objective, 12, 3):
        before = json.dumps(whole)
        whole, untouched = objective.next_state(whole, groups), whole
        assert json.dumps(untouched) == before, "the old state is left as it is"
        resumed = objective.next_state(json.loads(json.dumps(resumed)), groups)
    assert json.dumps(resumed) == json.dumps(whole)
    assert whole != objective.initial_state()


@pytest.mark.parametrize("name", REMEMBER)
def test_responses_that_could_not_be_judged_leave_no_trace_in_the_state(name: str) -> None:
    objective = published(name, {"every": 1} if name == "laser-d" else {})
    [with_them, without] = [
        objective.next_state(
            objective.initial_state(),
            [group_of([Row(True, 900), Row(False, 5000), *more])],
        )
        for more in ([Row(True, 3, judged=False), Row(False, 31_000, judged=False)], [])
    ]
    assert with_them == without
