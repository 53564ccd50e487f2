"""One model, several efforts: draws, prompts, journal, checkpoints, and what cannot work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders import ParityJudge
from tersely.config import resolve
from tersely.display import PlainDisplay
from tersely.errors import UserError
from tersely.evaluation.runs import read_run
from tersely.journal import StepRecord
from tersely.learn.loop import train
from tersely.learn.probe import sample_base
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.trained_for import efforts_note, read_trained_for
from tersely.records import Kind, Problem
from tersely.runs.folder import read_config
from tersely.runs.logs import read_log
from tersely.tasks.efforts import Efforts
from tersely.tasks.prompts import render
from tersely.tasks.training_prompts import TrainingPrompts
from tersely.toy.shipped import SHIPPED_BASE
from tersely.trackers.base import numbers_of
from tiny_models import make_model_folder, make_task
from training import QUIET, settings, train_for_odd_texts

LEVELS = {"low": 0.4, "medium": 0.1, "high": 0.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("efforts")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def config(root: Path, steps: int = 4, **over: Any) -> Any:
    return settings(root, objective={"alpha": None, "levels": LEVELS}, run={"steps": steps}, **over)


def problems(count: int) -> list[Problem]:
    return [Problem(f"p{i}", f"What is {i}?", "1", Kind.EXACT, "test") for i in range(count)]


def test_a_level_is_a_function_of_seed_step_and_problem_and_all_of_them_are_drawn() -> None:
    efforts, asked = Efforts(("low", "high"), 0, "Effort: {level}"), problems(60)
    drawn = [efforts.of(problem, 1) for problem in asked]
    assert {*drawn} == {"low", "high"}
    assert 15 < drawn.count("low") < 45
    assert drawn == [Efforts(("low", "high"), 0, "Think: {level}").of(problem, 1) for problem in asked]
    assert drawn != [efforts.of(problem, 2) for problem in asked], "another epoch asks a problem otherwise"
    assert drawn != [Efforts(("low", "high"), 1, "Effort: {level}").of(problem, 1) for problem in asked]


def test_the_prompt_of_a_group_ends_with_the_line_of_its_level(root: Path) -> None:
    asking, tokenizer, asked = TrainingPrompts.of(config(root)), load_tokenizer(root / "model"), problems(12)
    prompts = asking.render(asked, tokenizer)
    assert len(prompts) == 36
    of_step = asking.prompts_of(asked[:5], prompts, 3)
    for problem in asked[:5]:
        line = f"Effort: {asking.level_of(problem, 3)}"
        assert of_step[problem.id] == render(problem, tokenizer, "question", line)


@pytest.mark.slow
def test_a_run_keeps_its_levels_in_journal_samples_record_and_checkpoint(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(config(root), tmp_path / "run")
    asking, found = TrainingPrompts.of(config(root)), read_config(tmp_path / "run")
    assert found["objective"]["levels"] == LEVELS
    assert found["level_line"] == "Effort: {level}"
    journal = [StepRecord.from_json(line) for line in read_log(tmp_path / "run/journal.jsonl")]
    ids = {problem.id: problem for problem in task_problems(root)}
    for record in journal:
        assert record.levels is not None
        drawn = {problem: level for level, one in record.levels.items() for problem in one.problems}
        assert len(drawn) == record.problems
        assert drawn == {p: asking.level_of(ids[p], record.step) for p in drawn}
        mean = sum(one.length * len(one.problems) for one in record.levels.values()) / record.problems
        assert mean == pytest.approx(record.length)
        assert StepRecord.from_json(record.to_json()) == record
        assert {f"level/{level}_length" for level in record.levels} <= {*numbers_of(record)}
    samples = read_log(tmp_path / "run/samples.jsonl")
    assert samples
    assert all(line["level"] == asking.level_of(ids[line["problem_id"]], line["step"]) for line in samples)
    trained = read_trained_for(next((tmp_path / "run/checkpoints").glob("step-*4")))
    assert trained.efforts == {level: f"Effort: {level}" for level in LEVELS}
    assert trained.objective is not None
    assert trained.objective["levels"] == LEVELS
    assert read_run(tmp_path / "run").journal[0].levels is not None


def task_problems(root: Path) -> list[Problem]:
    from tersely.tasks import load_task

    return load_task(str(root / "task.jsonl"), "train", None)


def test_a_run_without_levels_keeps_the_form_that_it_had(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(settings(root, run={"steps": 1}), tmp_path / "run")
    found = read_config(tmp_path / "run")
    assert "level_line" not in found
    assert "levels" not in found["objective"]
    [line] = read_log(tmp_path / "run/journal.jsonl")
    assert "levels" not in line
    assert all("level" not in sample for sample in read_log(tmp_path / "run/samples.jsonl"))
    [checkpoint] = (tmp_path / "run/checkpoints").glob("step-*")
    assert "efforts" not in json.loads((checkpoint / "tersely.json").read_text())


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(config(root), tmp_path / "whole")
    train_for_odd_texts(config(root), tmp_path / "parts", callbacks=[lambda record: record.step == 2])
    train_for_odd_texts(config(root), tmp_path / "parts")
    for name in ("journal.jsonl", "samples.jsonl", "checkpoints/step-000004/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_base_is_sampled_under_levels_before_a_run(root: Path) -> None:
    assert len(sample_base(config(root), 4, QUIET).lengths) <= 4


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"budgets": [5, 20]}, "levels asks each prompt for a level of effort, and budgets for a number of tokens"),
        ({"objective": {"method": "l1-max"}}, "one of the two; l1-exact and l1-max go by budgets"),
        ({"objective": {"alpha": 0.2}}, "leave one of them out"),
        ({"objective": {"method": "dot"}}, "has none: leave levels out"),
        ({"objective": {"levels": {}, "alpha": 0.1}, "level_line": "Think: {level}"}, "and there are none"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_folder_is_made(
    root: Path, tmp_path: Path, over: dict[str, Any], why: str
) -> None:
    merged = {"alpha": None, "levels": LEVELS} | over.get("objective", {})
    if merged["levels"] == {}:
        merged.pop("levels")
    with pytest.raises(UserError, match=why):
        train_for_odd_texts(settings(root, **{**over, "objective": merged}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("line", ["Effort", "{level} {level}", "Effort:\n{level}"])
def test_a_line_that_names_no_level_is_refused(root: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"must be one line with \{level\} once in it"):
        config(root, level_line=line)


def test_a_model_that_cannot_read_a_level_is_not_asked_for_one(tmp_path: Path) -> None:
    wanted = resolve(
        {
            "model": str(SHIPPED_BASE),
            "task": "arithmetic",
            "template": "question",
            "train_size": 8,
            "objective": {"levels": LEVELS},
            "sampling": {"prompts": 4, "n": 2, "max_new_tokens": 40},
        }
    )
    with pytest.raises(UserError, match=r"cannot write 'Effort: low'.*tersely base --levels"):
        train(wanted, tmp_path / "run", PlainDisplay("test"), judge=ParityJudge())


def test_going_on_without_levels_is_said(root: Path, tmp_path: Path) -> None:
    train_for_odd_texts(config(root, steps=1), tmp_path / "run")
    folder = locate_model(str(tmp_path / "run"))
    assert efforts_note(folder, LEVELS) is None
    assert efforts_note(root / "model", {}) is None
    said = efforts_note(folder, {"low"})
    assert said is not None
    assert "no prompt asks for medium, high here" in said
