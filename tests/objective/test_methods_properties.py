"""What holds of every published method, for every group that hypothesis can think of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from method_groups import Row, group_of, published
from tersely.objective import GroupView, Need, State
from tersely.objective.methods import METHODS

FEW = settings(max_examples=settings().max_examples // 4)
"""25, and among the fast tests 5: there are many methods."""
texts = st.lists(st.sampled_from(["wait", "but", "7", "So", "double-check", "hold on"]), max_size=9).map(" ".join)
rows = st.builds(Row, st.booleans(), st.integers(0, 32_000), st.booleans(), texts, st.integers(1, 32_000))
groups = st.lists(rows, min_size=1, max_size=12)
STATES: dict[str, list[State]] = {
    "laconic": [{"lam": 0.0}, {"lam": 0.1}, {"lam": 50.0}],
    "leash": [{"lam": 0.0}, {"lam": 1.0}],
    "hapo": [{}, {"p": 0.0}, {"p": 700.0}],
    "acoer": [
        dict(published("acoer").initial_state()),
        {**published("acoer").initial_state(), "a": 0.5, "budget": 1.0},
    ],
    "laser-d": [
        dict(published("laser-d").initial_state()),
        {**published("laser-d").initial_state(), "targets": {"low": 1e4, "medium": 500.0, "high": 0.0}},
    ],
}
every_method = pytest.mark.parametrize("name", METHODS)


def states(name: str) -> st.SearchStrategy[State]:
    return st.sampled_from(STATES.get(name, [{}]))


def credit(name: str, group: GroupView, state: State) -> tuple[np.ndarray, np.ndarray]:
    got = published(name).credits([group], state)[0]
    return got.rewards_G, got.advantages_G


def test_every_method_with_a_memory_is_tried_in_several_states() -> None:
    assert set(STATES) == {name for name, kind in METHODS.items() if Need.STATE in kind.needs}


@every_method
@FEW
@given(st.data(), groups)
def test_rewards_are_finite_and_rows_that_are_not_counted_get_none(name: str, data: st.DataObject, group: list) -> None:
    rewards, advantages = credit(name, group_of(group), data.draw(states(name)))
    counted = np.array([row.judged for row in group])
    assert np.isfinite(rewards).all()
    assert np.isfinite(advantages).all()
    assert (rewards[~counted] == 0).all()
    assert (advantages[~counted] == 0).all()


@every_method
@FEW
@given(st.data(), groups, st.randoms(use_true_random=False))
def test_the_order_of_the_siblings_does_not_matter(name: str, data: st.DataObject, group: list, random: object) -> None:
    order, state = list(range(len(group))), data.draw(states(name))
    random.shuffle(order)  # type: ignore[attr-defined]
    before, before_a = credit(name, group_of(group), state)
    after, after_a = credit(name, group_of([group[i] for i in order]), state)
    np.testing.assert_allclose(after, before[order], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(after_a, before_a[order], rtol=1e-9, atol=1e-9)


@every_method
@FEW
@given(st.data(), groups)
def test_what_stands_in_rows_that_are_not_counted_has_no_say(name: str, data: st.DataObject, group: list) -> None:
    state = data.draw(states(name))
    other = [row if row.judged else Row(not row.right, 31_999 - row.length, False, "but", 7) for row in group]
    alone = [row for row in group if row.judged]
    got, got_a = credit(name, group_of(group), state)
    np.testing.assert_array_equal(credit(name, group_of(other), state)[0], got)
    np.testing.assert_array_equal(credit(name, group_of(other), state)[1], got_a)
    if alone:
        kept = [i for i, row in enumerate(group) if row.judged]
        np.testing.assert_allclose(credit(name, group_of(alone), state)[0], got[kept], rtol=0, atol=1e-12)


@every_method
@FEW
@given(st.data(), st.integers(1, 12), rows)
def test_equal_siblings_earn_the_same_and_learn_nothing(name: str, data: st.DataObject, n: int, row: Row) -> None:
    rewards, advantages = credit(
        name, group_of([Row(row.right, row.length, True, row.text, row.budget)] * n), {**data.draw(states(name))}
    )
    assert (rewards == rewards[0]).all()
    assert (advantages == 0).all()


LONGER_PAYS = {"l1-exact", "shorterbetter"}
"""Those that draw to a length: shorter than it costs too."""


@pytest.mark.parametrize("name", [name for name in METHODS if name not in LONGER_PAYS])
@FEW
@given(st.data(), groups)
def test_among_right_siblings_alike_but_for_their_length_the_longer_never_earns_more(
    name: str, data: st.DataObject, group: list
) -> None:
    state = data.draw(states(name))
    alike = [Row(row.right, row.length, row.judged, "so", 4000) for row in group]
    view = group_of(alike)
    rewards = credit(name, view, state)[0][view.earning_G]
    order = np.argsort(view.lengths_G[view.earning_G], kind="stable")
    assert (np.diff(rewards[order]) <= 1e-12).all()


@every_method
@FEW
@given(st.data(), groups)
def test_the_state_moves_to_plain_values_whatever_the_groups(name: str, data: st.DataObject, group: list) -> None:
    objective = published(name)
    state = data.draw(states(name))
    # ``next_state`` refuses what JSON would not give back.
    once = objective.next_state(state, [group_of(group)])
    twice = objective.next_state(once, [group_of(group), group_of(group, problem="q")])
    assert np.isfinite(objective.credits([group_of(group)], twice)[0].rewards_G).all()
