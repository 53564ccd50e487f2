"""What each published method declares of right and wrong, against a search over random groups, settings and states."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from method_groups import CAP, Setting, draw_group, published
from tersely.errors import UserError
from tersely.objective import AllWrong, GroupView, Objective, Order, Promise
from tersely.objective.methods import METHODS
from tersely.objective.methods.base import Method

GROUPS = 400

SEARCHED = [Setting(name) for name in METHODS] + [
    Setting("paper", {"alpha": 0.999}),
    Setting("linear", {"alpha": 0.999}),
    Setting("truncation", {"limit": 300}),
    Setting("dot", {"deviations": 1.5, "margin": 1}),
    Setting("kimi", {"alpha": 1.999}),
    Setting("l1-exact", {"alpha": 0.01}),
    Setting("l1-max", {"alpha": 0.01}),
    Setting("cosine", {"exceed": -20, "wrong_long": 0.99}),
    Setting("dapo-overlong", {"buffer": 31_000, "factor": 1.999}),
    Setting("laser", {"target": 100, "bonus": 7}),
    Setting("laser-d", {"every": 1, "lower": 1, "step": 50, "start": 10}, steps=5),
    Setting("shorterbetter", {"beta": 0.01}),
    Setting("grpo-lead", {"alpha": 0.999, "gate": 0}),
    Setting("acoer", {"warmup": 0, "window": 2, "start": 0.5, "floor": 1}, steps=8),
    Setting("laconic", {"start": 50, "high": 50, "most": 0.89, "budget": 10}),
    Setting("laconic", {"rate": 1, "budget": 100}, steps=5),
    Setting("arlcp", {"total": 0.999}),
    Setting("o1-pruner", {"accuracy_weight": 0.5}),
    Setting("prime-rl", {"output": 0.79}),
    Setting("alp", {"beta": 0.999 / CAP}),
    Setting("hapo", steps=3),
    Setting("leash", {"start": 1, "target": 100}),
    Setting("gr3", {"alpha": 30}),
]
"""Every method as its authors have it, and once at the edge of what it accepts."""
ids = [f"{s.name}-{i}" for i, s in enumerate(SEARCHED)]


def state_of(objective: Objective, setting: Setting, rng: np.random.Generator) -> dict:
    state = objective.initial_state()
    for _ in range(setting.steps):
        groups = [draw_group(rng, lambda n: rng.random(n) < 0.7) for _ in range(8)]
        state = objective.next_state(state, groups)
    return dict(state)


@cache
def groups_of(kind: str) -> list[GroupView]:
    """Groups with right and wrong responses ("mixed") or wrong ones alone ("wrong"), the same for every method."""
    rng = np.random.default_rng(7)

    def rights(n: int) -> np.ndarray:
        right = rng.random(n) < rng.random()
        right[:2] = [True, False]
        return right if kind == "mixed" else np.zeros(n, dtype=bool)

    return [draw_group(rng, rights) for _ in range(GROUPS)]


def searched(setting: Setting, kind: str) -> list[tuple[GroupView, np.ndarray]]:
    """The groups of a kind, and what each response of theirs earns."""
    objective, groups = published(setting.name, setting.settings), groups_of(kind)
    state = state_of(objective, setting, np.random.default_rng(8))
    return [(g, c.rewards_G) for g, c in zip(groups, objective.credits(groups, state), strict=True)]


def order_found(setting: Setting) -> Order:
    gaps = [
        rewards[group.scores_G == 1].min() - rewards[group.scores_G == 0].max()
        for group, rewards in searched(setting, "mixed")
    ]
    return Order.KEPT if min(gaps) > 0 else Order.TIES if min(gaps) == 0 else Order.BROKEN


SEVERITY = [Order.KEPT, Order.TIES, Order.BROKEN]


@pytest.mark.parametrize("name", METHODS)
def test_the_order_that_is_declared_is_the_worst_that_a_search_finds(name: str) -> None:
    found = [order_found(setting) for setting in SEARCHED if setting.name == name]
    promise = METHODS[name].promise
    assert promise is not None
    assert max(found, key=SEVERITY.index) == promise.order
    assert bool(promise.where) == (promise.order is not Order.KEPT)


def distance(group: GroupView, learns: AllWrong) -> np.ndarray:
    """[G] how far each response is from what the group is said to learn."""
    lengths_G = group.lengths_G
    assert group.budgets_G is not None
    return {
        AllWrong.NOTHING: np.zeros_like(lengths_G),
        AllWrong.SHORTER: lengths_G,
        # cosine, the only one: within 16 tokens of the cap a response is overlong.
        AllWrong.LONGER: np.where(lengths_G + 16 >= CAP, np.inf, -lengths_G),
        AllWrong.MEAN: np.abs(lengths_G - lengths_G.mean()),
        AllWrong.BUDGET: np.abs(lengths_G - group.budgets_G),
    }[learns]


@pytest.mark.parametrize("setting", SEARCHED, ids=ids)
def test_a_group_without_a_right_answer_learns_what_is_declared(setting: Setting) -> None:
    promise = METHODS[setting.name].promise
    assert promise is not None
    differs = False
    for group, rewards_G in searched(setting, "wrong"):
        order = np.argsort(distance(group, promise.all_wrong), kind="stable")
        assert (np.diff(rewards_G[order]) <= 1e-12).all(), "what is nearer earns no less"
        differs |= bool(rewards_G.max() > rewards_G.min())
    silent = setting.name == "hapo" and not setting.steps
    assert differs == (promise.all_wrong is not AllWrong.NOTHING and not silent)


@pytest.mark.parametrize("name", ["grpo-lead", "dot", "paper"])
def test_groups_that_learn_nothing_have_no_advantage(name: str) -> None:
    credit = published(name).credit([0] * 12, range(1, 13))
    assert credit.advantages_G.tolist() == [0.0] * 12


def test_the_notice_is_one_line_and_warns_of_a_scale_that_blows_up_brevity() -> None:
    assert published("paper").notice == (
        "objective paper: a right answer always earns more than a wrong one; a group without a right answer learns "
        "nothing"
    )
    loud = Objective(method="alp", normalize="group").notice
    assert loud is not None
    assert loud.endswith("learns to be shorter, which normalize = group blows up to the size of a right answer")
    assert Objective(method="toy_methods:Flat").notice is None


def test_a_promise_that_is_not_kept_would_be_found() -> None:
    """The search itself: a method that pays for length alone breaks every order."""
    rng = np.random.default_rng(0)
    groups = [draw_group(rng, lambda n: rng.random(n) < 0.5) for _ in range(50)]
    credits = Objective(method="toy_methods:Flat", settings={"price": 1.0}).credits(groups)
    gaps = [
        c.rewards_G[g.scores_G == 1].min() - c.rewards_G[g.scores_G == 0].max()
        for g, c in zip(groups, credits, strict=True)
        if 0 < g.scores_G.sum() < g.scores_G.size
    ]
    assert min(gaps) < 0


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("truncation", {"limit": 0}, "limit must be a number with limit > 0 tokens, not 0"),
        ("dot", {"deviations": 0}, "0 < deviations < 100"),
        ("dot", {"margin": -1}, "margin > 0 tokens"),
        ("kimi", {"alpha": 2}, "from 2 on a wrong answer can earn as much"),
        ("l1-exact", {"alpha": 1}, "0 <= alpha < 1"),
        ("l1-max", {"alpha": -0.1}, "0 <= alpha < 1"),
        ("cosine", {"wrong_long": 1}, "exceed <= wrong_short < wrong_long < right_long <= right_short"),
        ("cosine", {"right_short": "much"}, "right_short must be a number"),
        ("dapo-overlong", {"buffer": 0}, "buffer > 0 tokens"),
        ("dapo-overlong", {"factor": 2}, "from 2 on a wrong answer can earn as much"),
        ("laser", {"bonus": -0.1}, "bonus >= 0"),
        ("laser-d", {"every": 0}, "every >= 1 step"),
        ("laser-d", {"step": 0}, "step >= 1 token"),
        ("shorterbetter", {"beta": 0}, "0 < beta < 1"),
        ("grpo-lead", {"gate": -1}, "gate >= 0"),
        ("acoer", {"start": 0.9}, "low <= start <= high"),
        ("acoer", {"down": 1.5}, "0 < down <= 1"),
        ("laconic", {"most": 0.9}, "most [+] at_cap = 1 must stay below 1"),
        ("laconic", {"low": 0.5}, "low <= high"),
        ("arlcp", {"total": 0.1}, "0.15 is the largest price of words alone"),
        ("o1-pruner", {"low": 4}, "low < high"),
        ("prime-rl", {"output": 0.8}, "must stay below 1"),
        ("alp", {"beta": 0}, "0 < beta < 0.1"),
        ("hapo", {"weight": 1.5}, "0 <= weight <= 1"),
        ("leash", {"start": 2}, "low <= start <= high"),
        ("gr3", {"alpha": -1}, "alpha >= 0"),
        ("kimi", {"alpha": True}, "alpha must be a number"),
        ("laser", {"target": float("nan")}, "target must be a number"),
    ],
)
def test_settings_outside_their_meaning_are_refused(method: str, settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        published(method, settings)


@pytest.mark.parametrize(
    ("method", "settings", "siblings", "cap", "message"),
    [
        (
            "dot",
            {},
            8,
            None,
            "3 deviations cannot fire with 8 siblings, .* more than 2.47 .* take at least 11 siblings",
        ),
        ("dot", {"deviations": 2.475}, 8, None, "at least 9 siblings"),
        ("cosine", {}, 8, 16, "a cap of 16 is too low"),
        ("dapo-overlong", {}, 8, 4096, "smaller buffer .819 keeps"),
        ("laser", {}, 8, 8192, "target = 8192 is not below the cap"),
        ("laser-d", {}, 8, 320, "lower = 4096 tokens on, which is not below the cap of 320"),
        ("laconic", {}, 8, 2000, "budget = 2000 must lie below the cap"),
        ("leash", {}, 8, 320, "target = 4096 must lie below the cap"),
        ("alp", {"beta": 0.01}, 8, 100, "take a beta below 0.01"),
    ],
)
def test_a_run_in_which_a_method_cannot_work_is_refused(
    method: str, settings: dict, siblings: int, cap: int | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        published(method, settings).check_run(siblings, cap)


@pytest.mark.parametrize("name", METHODS)
def test_authors_constants_work_in_runs_like_the_authors(name: str) -> None:
    published(name).check_run(32, 32_000)
    published(name).check_run(32, None)


def test_dots_bound_on_deviations_is_where_the_cut_begins_to_fire() -> None:
    # n - 1 equal lengths and one huge one have the largest z there is: (n - 1) / sqrt(n).
    for n in range(2, 16):
        fires = published("dot").credit([1] * n, [100] * (n - 1) + [10**6]).rewards_G.min() == 0
        assert fires == ((n - 1) / np.sqrt(n) > 3)
        if not fires:
            with pytest.raises(UserError, match="at least 11 siblings"):
                published("dot").check_run(n, None)


def test_every_method_says_what_it_promises_and_is_a_frozen_dataclass() -> None:
    for name, kind in METHODS.items():
        assert isinstance(kind.promise, Promise), name
        assert issubclass(kind, Method)
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert kind.__doc__, name
