"""Published objectives inside a training run: what is said before it, what is refused, what it remembers, and budgets
in the prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders import ParityJudge
from tersely.config import resolve
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.learn.batch import collate
from tersely.learn.loop import train
from tersely.objective import Objective
from tersely.records import Finish, Group, Kind, Problem, Rollout, Status, Verdict
from tersely.runs.folder import read_config
from tersely.tasks.budgets import Budgets
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts


class Telling(PlainDisplay):
    """Keeps its notes."""

    def __init__(self) -> None:
        super().__init__("test")
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objectives")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def run(root: Path, out: Path, method: str, **over: Any) -> Telling:
    """Two steps."""
    told = Telling()
    objective = {"alpha": None, "method": method, **over.pop("objective", {})}
    config = settings(root, objective=objective, **{"run": {"steps": 2}, **over})
    train(config, out, told, judge=ParityJudge())
    return told


@pytest.mark.slow
def test_a_run_says_what_its_objective_does_with_wrong_answers(root: Path, tmp_path: Path) -> None:
    told = run(root, tmp_path / "run", "kimi")
    assert told.notes[0] == (
        "objective kimi: a right answer always earns more than a wrong one; a group without a right answer learns to "
        "be shorter"
    )


def test_the_papers_own_needs_no_such_line(root: Path, tmp_path: Path) -> None:
    told = Telling()
    train(settings(root, run={"steps": 1}), tmp_path / "run", told, judge=ParityJudge())
    assert not [note for note in told.notes if note.startswith("objective")]


@pytest.mark.parametrize(
    ("method", "over", "message"),
    [
        ("dot", {}, "3 deviations cannot fire with 4 siblings"),
        ("laser", {}, "target = 8192 is not below the cap, which is 40"),
        ("l1-max", {}, "say from which to which number of tokens, for example --set budgets="),
        ("kimi", {"budgets": [5, 20]}, "objective 'kimi' looks at none: leave budgets out, or take l1-exact or l1-max"),
    ],
)
def test_what_cannot_work_is_refused_before_the_folder_is_made(
    root: Path, tmp_path: Path, method: str, over: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(root, tmp_path / "run", method, **over)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_an_objective_remembers_comes_back_from_the_checkpoint(root: Path, tmp_path: Path) -> None:
    objective = {"settings": {"budget": 5, "rate": 0.05}}
    run(root, tmp_path / "whole", "laconic", objective=objective, run={"steps": 4})
    run(root, tmp_path / "parts", "laconic", objective=objective, run={"steps": 2})
    run(root, tmp_path / "parts", "laconic", objective=objective, run={"steps": 4})
    journals = [(tmp_path / name / "journal.jsonl").read_bytes() for name in ("whole", "parts")]
    assert journals[0] == journals[1]


@pytest.mark.slow
def test_problems_that_teach_nothing_give_way_to_others_that_were_drawn_beside_them(root: Path, tmp_path: Path) -> None:
    over = {"objective": {"filter": "equal"}, "run": {"steps": 2, "oversample": 1.5}, "sampling": {"prompts": 2}}
    config = settings(root, **over, learner={"updates": 1})
    train_for_odd_texts(config, tmp_path / "run")
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert [line["problems"] for line in journal] == [3, 3]
    assert all(line["groups_dropped"] >= 1 / 3 for line in journal), "two of three are trained on"
    known = read_config(tmp_path / "run")
    assert (known["objective"]["filter"], known["run"]["oversample"]) == ("equal", 1.5)


def test_a_step_of_which_nothing_is_left_changes_no_weights(root: Path, tmp_path: Path) -> None:
    class NeverRight(ParityJudge):
        def grade(self, pairs: Any) -> Any:
            return [Verdict(Status.WRONG, None, "never") for _ in pairs]

    config = settings(root, objective={"filter": "all_wrong"}, run={"steps": 1, "oversample": 1.25})
    train(config, tmp_path / "run", PlainDisplay("test"), judge=NeverRight())
    [line] = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert (line["event"], line["groups_dropped"], line["groups_all_wrong"]) == ("NO_SIGNAL", 1.0, 1.0)


def test_truncated_responses_can_be_left_out_of_the_loss_and_still_count_in_the_baseline() -> None:
    def rollout(index: int, finish: Finish) -> Rollout:
        return Rollout("p", index, (1, 2), (3, 4 + index), None, "", finish, 0)

    ends = [Finish.EOS, Finish.LENGTH, Finish.EOS]
    verdicts = (Verdict(Status.CORRECT, "1", ""), Verdict(Status.NO_ANSWER, None, ""), Verdict(Status.WRONG, "2", ""))
    group = Group(Problem("p", "?", "1", Kind.EXACT, "test"), tuple(map(rollout, range(3), ends)), verdicts)
    credit = Objective(0.0).credit(group.correct_G, group.lengths_G)
    assert [row.advantage for row in collate([group], [credit])] == [1.0, -0.5, -0.5]
    kept = collate([group], [credit], mask_truncated=True)
    assert [(row.tokens[1], row.advantage) for row in kept] == [(4, 1.0), (6, -0.5)]


def test_drawing_more_problems_than_are_needed_is_refused_where_none_is_left_out(root: Path) -> None:
    with pytest.raises(UserError, match=r"with objective.filter = none no group is: add --set objective.filter"):
        settings(root, run={"oversample": 2})
    with pytest.raises(UserError, match="the task has 12 problems but a step takes 16"):
        train_for_odd_texts(settings(root, objective={"filter": "equal"}, run={"oversample": 4}), root / "never")


@pytest.mark.slow
def test_budgets_are_asked_for_in_the_prompt_and_looked_at(root: Path, tmp_path: Path) -> None:
    told = run(root, tmp_path / "run", "l1-exact", budgets=[5, 30], budget_line="length")
    assert told.notes[0].startswith("objective l1-exact: a wrong answer can earn more than a right one")
    config = read_config(tmp_path / "run")
    assert (config["budgets"], config["budget_line"]) == ([5, 30], "length")
    other = run(root, tmp_path / "other", "l1-exact", budgets=[30, 30], budget_line="length")
    assert other.notes[0] == told.notes[0]
    assert read_config(tmp_path / "other")["prompts_sha256"] != config["prompts_sha256"]
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert all(line["reward"] < line["accuracy"] for line in journal), "every token off the budget costs"


def test_runs_without_ingredients_keep_the_configuration_that_they_had(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(settings(root, run={"steps": 1}), tmp_path / "run")
    config = read_config(tmp_path / "run")
    assert not {"budgets", "budget_line"} & set(config)
    assert not {"clip_high", "dual_clip", "mask_truncated"} & set(config["learner"])
    assert "filter" not in config["objective"]
    assert "oversample" not in config["run"]


def test_a_budget_is_a_function_of_seed_and_problem_and_covers_its_range() -> None:
    problems = [Problem(f"p{i}", f"What is {i}?", "1", Kind.EXACT, "test") for i in range(200)]
    budgets = Budgets(100, 103, seed=0, line="limit")
    drawn = [budgets.of(problem) for problem in problems]
    assert set(drawn) == {100, 101, 102, 103}
    assert drawn == [Budgets(100, 103, seed=0, line="tale").of(problem) for problem in problems]
    assert drawn != [Budgets(100, 103, seed=1, line="limit").of(problem) for problem in problems]
    assert f"at most {drawn[0]} tokens" in budgets.sentence(problems[0])


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ([30, 5], "budgets = .30, 5. must rise"),
        ([5, 41], "stay within sampling.max_new_tokens = 40"),
        ([0, 5], "budgets = .0, 5. must rise from 1"),
        ([5], "budgets"),
    ],
)
def test_budgets_that_no_response_could_meet_are_refused(root: Path, budgets: list, message: str) -> None:
    with pytest.raises(UserError, match=message):
        settings(root, budgets=budgets)


def test_a_model_that_cannot_read_a_budget_is_not_asked_for_one(tmp_path: Path) -> None:
    from tersely.toy.shipped import __file__ as shipped

    config = resolve(
        {
            "model": str(Path(shipped).parent / "base"),
            "task": "arithmetic",
            "template": "question",
            "train_size": 8,
            "budgets": [5, 20],
            "objective": {"method": "l1-max"},
            "sampling": {"prompts": 4, "n": 2, "max_new_tokens": 40},
        }
    )
    with pytest.raises(UserError, match="has no words for an instruction"):
        train(config, tmp_path / "run", PlainDisplay("test"), judge=ParityJudge())
