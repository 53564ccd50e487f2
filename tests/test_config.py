"""Configuration: every shipped recipe resolves, and what cannot work is refused with subject, rule and cure."""

from __future__ import annotations

import re
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest

from tersely.config import TrainConfig, assemble, merge, read_recipe, recipe_names, resolve, set_key
from tersely.errors import UserError
from tersely.learn.run_setup import require_budgets
from tersely.objective import Objective

NEEDED = {"model": "m", "task": "t.jsonl"}


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_resolves(name: str) -> None:
    config = resolve(merge(read_recipe(name), NEEDED))
    Objective(**config.objective.model_dump())


def test_recipes_hold_the_papers_numbers() -> None:
    # arXiv 2502.04463, section 5.1: 32 prompts x 8, batch 128 = 2 steps, 5e-6 and 2e-6; the defaults are the 1.5B ones.
    small, large = (resolve(merge(read_recipe(f"paper-{size}"), NEEDED)) for size in ("1.5b", "7b"))
    assert small == resolve(merge(NEEDED, {"train_size": 3200, "learner": {"gradient_checkpointing": True}}))
    assert (small.sampling.prompts, small.sampling.n, small.learner.updates) == (32, 8, 2)
    assert (small.learner.learning_rate, large.learner.learning_rate) == (5e-6, 2e-6)
    assert (small.learner.clip, small.learner.kl_coefficient, small.run.steps) == (0.2, 1e-3, 100)
    assert resolve(merge(read_recipe("released-code"), NEEDED)).objective.normalize == "batch"


@pytest.mark.parametrize("name", ["dler", "dot", "l1"])
def test_recipes_of_other_works_can_be_run_and_give_a_source_for_what_differs_from_the_paper(name: str) -> None:
    config = resolve(merge(read_recipe(name), NEEDED))
    objective = Objective(**config.objective.model_dump())
    objective.check_run(config.sampling.n, config.sampling.max_new_tokens)
    require_budgets(config, objective)
    # A line that the paper's recipe does not have stands below a comment.
    lines, papers = (
        (resources.files("tersely.recipes") / f"{of}.toml").read_text(encoding="utf-8").splitlines()
        for of in (name, "paper-1.5b")
    )
    settings = [(above, line) for above, line in pairwise(lines) if re.match(r"\w+ = ", line) and line not in papers]
    assert len(settings) >= 9
    assert [line for above, line in settings if not above.startswith("#")] == []


def test_resolved_configuration_survives_json() -> None:
    config = resolve(merge(read_recipe("tiny"), NEEDED))
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


def test_assignments_read_numbers_booleans_and_text() -> None:
    settings: dict[str, object] = {}
    for assignment in ("learner.learning_rate=1e-5", "learner.gradient_checkpointing=true", "template=plain"):
        set_key(settings, assignment)
    config = resolve({**NEEDED, **settings})
    assert config.learner.learning_rate == 1e-5
    assert config.learner.gradient_checkpointing is True
    assert config.template == "plain"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objective": {"penalty": "sigmoid"}}, "unknown setting 'objective.penalty'"),
        ({"objective": {"metod": "paper"}}, "did you mean 'objective.method'"),
        ({"learner": {"learing_rate": 1}}, "did you mean 'learner.learning_rate'"),
        ({"learner": {"learning_rate": "1e-6x"}}, "learner.learning_rate = '1e-6x'"),
        ({"learner": {"learning_rate": float("nan")}}, "learner.learning_rate"),
        ({"learner": {"averaging": "tokens"}}, "learner.averaging = 'tokens'"),
        ({"sampling": {"n": 1}}, "sampling.n = 1"),
        ({"health": "off"}, "setting health = 'off' cannot be used: it holds values by name, --set health.NAME"),
        ({"objective": {"settings": 3}}, "setting objective.settings = 3 .* --set objective.settings.NAME=VALUE"),
        ({"sampling": {"prompts": 5}}, "make prompts a multiple of updates"),
        ({"run": {"keep": 1}}, "run.keep = 1"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolve(merge(NEEDED, settings))


def test_the_papers_method_has_a_usual_alpha_and_others_their_own() -> None:
    assert resolve(NEEDED).objective.alpha == 0.1
    assert resolve(NEEDED).objective.label == "alpha 0.1"
    assert resolve(merge(NEEDED, {"objective": {"normalize": "batch"}})).objective.alpha == 0.1
    other = resolve(merge(NEEDED, {"objective": {"method": "pkg.mine:Flat", "settings": {"price": 1e-4}}}))
    assert (other.objective.alpha, other.objective.label) == (None, "Flat")
    assert TrainConfig.model_validate_json(other.model_dump_json()) == other


def test_method_and_schedule_are_set_by_assignments() -> None:
    settings: dict[str, object] = {}
    for assignment in ("alpha=0.2", "method=linear", "schedule=linear", "schedule_settings.steps=40"):
        set_key(settings, f"objective.{assignment}")
    objective = Objective(**resolve({**NEEDED, **settings}).objective.model_dump())
    assert objective == Objective(0.2, "linear", schedule="linear", schedule_settings={"steps": 40})
    assert objective.at(20).alpha == 0.1


def test_missing_setting_is_named() -> None:
    with pytest.raises(UserError, match="'task' is missing"):
        resolve({"model": "m"})


def test_broken_or_missing_recipe_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("a = = 1")
    with pytest.raises(UserError, match="not valid TOML"):
        read_recipe(str(tmp_path / "broken.toml"))
    with pytest.raises(UserError, match="is not there"):
        read_recipe(str(tmp_path / "gone.toml"))
    with pytest.raises(UserError, match="not of the form key=value"):
        set_key({}, "learner")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("learner.lr=1e-5", "learner.learning_rate"),
        ("lr=1e-5", "learner.learning_rate"),
        ("kl=0.1", "learner.kl_coefficient"),
        ("max_new_tokens=5", "sampling.max_new_tokens"),
        ("learner.steps=5", "run.steps"),
        ("sampling.num_generations=4", "sampling.n"),
        ("learner.learning_rat=1", "learner.learning_rate"),
    ],
)
def test_an_unknown_setting_is_told_what_was_meant(given: str, meant: str) -> None:
    """By spelling alone `learner.lr` was taken for `learner.loss` and `kl` for nothing."""
    with pytest.raises(UserError, match=re.escape(f"did you mean '{meant}'?")):
        assemble("tiny", {"model": "m"}, [given])
