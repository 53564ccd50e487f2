"""A method of one's own: ten lines, no other file touched; and what cannot be one is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from tersely.errors import RunError, UserError
from tersely.objective import Need, Objective, Reward, credit
from tersely.objective.methods import METHODS
from toy_methods import Flat, GivesNonsense


def test_a_users_own_method_is_named_by_module_and_class() -> None:
    objective = Objective(method="toy_methods:Flat", settings={"price": 0.01})
    assert objective.alpha is None
    got = objective.credit([1, 0, 1], [100, 50, 10], [1, 1, 0])
    assert got.rewards_G.tolist() == [0.0, -0.5, 0.0]
    assert got.advantages_G.tolist() == [0.5, -0.5, 0.0]


def test_one_line_in_the_table_gives_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credit, "METHODS", MappingProxyType({**METHODS, "flat": Flat}))
    assert Objective(method="flat").credit([1, 0], [100, 50]).rewards_G.tolist() == pytest.approx([0.9, -0.05])


def test_a_file_beside_the_work_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_method.py").write_text(
        "from dataclasses import dataclass\n"
        "from tersely.objective import Method, Reward\n\n"
        "@dataclass(frozen=True)\n"
        "class Toy(Method):\n"
        "    alpha: float = 0.5\n\n"
        "    def rewards(self, group):\n"
        "        return Reward(self.alpha * group.scores_G)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert Objective(method="toy_method:Toy").alpha == 0.5
    assert Objective(0.25, "toy_method:Toy").credit([1, 0], [3, 4]).rewards_G.tolist() == [0.25, 0.0]


def test_a_method_is_shown_what_it_asks_for() -> None:
    got = Objective(method="toy_methods:Asks").credit_flat(
        [1, 0], [40, 80], ["p", "p"], truncated=[0, 1], texts=["so 2", "Wait. Wait."], budgets=[50, 60], cap=100
    )
    assert got.rewards_N.tolist() == pytest.approx([1 - 0.1, 0 - 0.2 - 2 - 10])


def test_what_a_method_needs_and_is_not_given_is_named() -> None:
    objective = Objective(method="toy_methods:Asks")
    with pytest.raises(
        UserError, match=r"'toy_methods:Asks' needs which responses were truncated .*and the text of the"
    ):
        objective.credit([1, 0], [40, 80])
    with pytest.raises(UserError, match=r"needs the budget of each prompt \(budgets\), which it cannot be given here"):
        objective.require_given([Need.TRUNCATED, Need.CAP, Need.TEXT])
    Objective(0.1).require_given([])


def test_state_goes_in_and_comes_out_and_a_second_run_from_it_is_the_same() -> None:
    objective = Objective(method="toy_methods:Shortest")
    first = objective.credit_flat([1, 1, 0], [40, 80, 5], [7, 7, 7], problem_ids=["p"] * 3)
    assert first.state == {"p": 40.0}
    assert first.rewards_N.tolist() == [1.0, 1.0, 0.0]
    again = objective.credit_flat([1, 1, 0], [80, 20, 5], [1, 1, 1], problem_ids=["p"] * 3, state=first.state)
    assert again.rewards_N.tolist() == [0.5, 2.0, 0.0]
    assert again.state == {"p": 20.0}
    assert first.state == {"p": 40.0}


def test_a_method_that_remembers_is_refused_without_state_or_problem() -> None:
    objective = Objective(method="toy_methods:Shortest")
    with pytest.raises(UserError, match=r"what it remembers of earlier steps \(state\)"):
        objective.credit([1, 0], [40, 80])
    with pytest.raises(UserError, match=r"which problem a group answers \(problem_id\), which"):
        objective.credits([([1, 0], [40, 80], None)], objective.initial_state())


def test_state_that_a_checkpoint_would_not_give_back_is_refused() -> None:
    with pytest.raises(RunError, match=r"'toy_methods:RemembersASet' failed .*would not come back from JSON"):
        Objective(method="toy_methods:RemembersASet").initial_state()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "toy_methods:Gone"}, "method 'toy_methods:Gone' cannot be imported"),
        ({"method": "not_there.at_all:Flat"}, "cannot be imported .*not_there"),
        ({"method": "toy_methods:"}, "not of the form package.module:Name"),
        ({"method": "toy_methods:NoMethod"}, "'toy_methods:NoMethod' must be a subclass of tersely.objective.Method"),
        ({"method": "json:dumps"}, "must be a subclass"),
        ({"method": "toy_methods:Method"}, "refuses its settings .*abstract"),
        ({"method": "toy_methods:TakesNothing"}, r"'toy_methods:TakesNothing.rewards' must take \(group\)"),
        ({"method": "toy_methods:Flat", "alpha": 0.2}, "method 'toy_methods:Flat' has no alpha: leave alpha out"),
        (
            {"method": "toy_methods:Flat", "settings": {"prize": 1}},
            "unknown setting 'prize'.*did you mean 'price'.*it has price",
        ),
        (
            {"method": "toy_methods:Raises", "settings": {"a": 1}},
            "unknown setting 'a' of method 'toy_methods:Raises'; it has none",
        ),
        ({"method": "linear"}, "method 'linear' needs alpha"),
        ({"method": "linear", "alpha": 1.0}, "0 <= alpha < 1"),
        ({"alpha": 0.1, "settings": {"alpha": 0.2}}, "give it as alpha"),
        ({"alpha": 0.1, "settings": 3}, "settings must be a table"),
    ],
)
def test_what_is_no_method_is_refused_when_it_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Objective(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (None, "gave NoneType and not a tersely.objective.Reward"),
        (Reward(np.zeros(3)), r"gave rewards of shape \(3,\) for 2 responses"),
        (Reward(np.array([1.0, np.nan])), "not finite"),
        (Reward(np.array(["a", "b"])), "failed"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_from_a_method_stops_the_run_by_its_name(
    monkeypatch: pytest.MonkeyPatch, gives: object, message: str
) -> None:
    monkeypatch.setattr(GivesNonsense, "gives", gives)
    with pytest.raises(RunError, match=f"method 'toy_methods:GivesNonsense' .*{message}"):
        Objective(method="toy_methods:GivesNonsense").credit([1, 0], [3, 4])


def test_an_exception_of_a_method_becomes_one_sentence() -> None:
    with pytest.raises(RunError, match=r"method 'toy_methods:Raises' failed \(KeyError: 'no such column'\)"):
        Objective(method="toy_methods:Raises").credit([1, 0], [3, 4])


def test_nothing_is_imported_before_an_objective_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tersely.config import ObjectiveConfig

    (tmp_path / "loud.py").write_text("raise SystemError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    config = ObjectiveConfig(method="loud:Method")
    with pytest.raises(UserError, match="imported"):
        Objective(**config.model_dump())
