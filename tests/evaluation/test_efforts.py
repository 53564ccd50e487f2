"""Evaluations by level of effort: what is asked, where it lies, what pages and commands make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tersely.cli import main
from tersely.config import resolve
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol, identity, parse_name
from tersely.evaluation.records import read_evaluation
from tersely.evaluation.runs import at_effort, read_run
from tersely.evaluation.terms import effort_line
from tersely.models.locate import locate_model
from tersely.page.collect import collect
from tersely.page.records import Role
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts

LEVELS = {"low": 0.4, "high": 0.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, a run with levels, one without, and evaluations of the first two."""
    folder = tmp_path_factory.mktemp("levels")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    make_task(folder / "held.jsonl", 4, 100)
    train_for_odd_texts(settings(folder, objective={"alpha": None, "levels": LEVELS}, run={"steps": 1}), folder / "run")
    train_for_odd_texts(settings(folder, run={"steps": 1}), folder / "plain")
    assert evaluate(folder, "model", "run") == 0
    return folder


def evaluate(root: Path, *words: str) -> int:
    named = [str(root / word) if (root / word).exists() else word for word in words]
    return main(
        ["evaluate", *named, "--task", str(root / "held.jsonl"), "--k", "2", "--out", str(root / "evaluations")]
    )


@pytest.mark.slow
def test_a_run_with_levels_is_measured_at_each_of_them_and_its_base_as_it_is(root: Path) -> None:
    found = read_run(root / "run", variants=True).evaluations
    assert sorted(found) == ["held@effort-high", "held@effort-low"]
    assert [found[name].protocol.effort for name in sorted(found)] == ["high", "low"]
    assert sorted(path.name for path in (root / "evaluations/model").iterdir()) == ["held"]
    base = read_evaluation(root / "evaluations/model/held")
    assert "effort" not in base.protocol.to_json()


def test_a_level_can_be_asked_for_alone_and_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(root, "run", "model", "--effort", "low") == 0
    told = capsys.readouterr()
    assert "run effort low" in told.out
    assert "finished already" in told.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("run", "--effort", "lo"), "unknown level of effort 'lo' (did you mean 'low'?)"),
        (("plain", "--effort", "low"), "the model was not trained for levels of effort"),
        (("run", "--instruction", "concise"), "--instruction concise and --effort low would both end a prompt"),
    ],
)
def test_a_level_that_no_line_asks_for_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    assert evaluate(root, *words) == 2
    assert why in capsys.readouterr().err


def test_a_model_with_levels_is_asked_for_none_only_where_that_is_said(root: Path) -> None:
    weights = locate_model(str(root / "run"))
    assert effort_line(weights, "low") == "Effort: low"
    assert effort_line(weights, None, otherwise=True) is None
    with pytest.raises(UserError, match=r"say which of low, high, --effort LEVEL"):
        effort_line(weights, None)


@pytest.mark.slow
def test_levels_are_points_of_a_comparison(root: Path) -> None:
    found = collect([root / "run"], root / "evaluations/model", variants=False)
    assert [(c.label, c.role) for c in found.contenders if c.role is not Role.BASE] == [
        ("efforts low", Role.EFFORT),
        ("efforts high", Role.EFFORT),
    ]
    assert all(c.entries["held"].results[0].versus is not None for c in found.contenders if c.role is Role.EFFORT)
    out = root / "page"
    assert main(["compare", str(root / "run"), "--base", str(root / "evaluations/model"), "--out", str(out)]) == 0
    page = (out / "compare.md").read_text()
    assert "| efforts low | effort |" in page
    assert len(list(read_run(root / "run").journal)) == 1


def test_responses_of_a_level_are_shown_and_counted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [str(root / "evaluations/model"), str(root / "run")]
    problem = read_evaluation(root / "evaluations/model/held").responses()[0].problem_id
    assert main(["show", *models[1:], "--problem", problem, "--effort", "low", "--base", models[0]]) == 0
    assert main(["behaviours", *models, "--effort", "high"]) == 0
    capsys.readouterr()
    assert main(["behaviours", *models]) == 2
    assert "was evaluated by levels of effort: say which of high, low" in capsys.readouterr().err
    assert main(["behaviours", models[0], "--effort", "low"]) == 2
    assert "nothing here was evaluated by levels of effort" in capsys.readouterr().err
    with pytest.raises(UserError, match="did you mean 'high'"):
        at_effort([read_run(root / "run")], "hig")


def test_a_question_is_answered_at_a_level(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["show", str(root / "run"), "--ask", "What is 1 + 1?"]
    assert main([*asked, "--effort", "low"]) == 0
    capsys.readouterr()
    assert main(asked) == 2
    assert "say which of low, high" in capsys.readouterr().err


def test_the_level_stands_in_the_name_and_in_the_identity_alone_where_there_is_one() -> None:
    plain, asked = (
        EvalProtocol(task="gsm8k", size=None, k=1, max_new_tokens=8, suite="paper", step=10, effort=effort)
        for effort in (None, "very-low")
    )
    assert asked.name == "paper.gsm8k@step-000010@effort-very-low"
    assert parse_name(asked.name).effort == "very-low"
    assert parse_name("gsm8k@limit-512").effort is None
    assert "effort" not in identity(plain.facts("boxed", "ab").asked_for(None))
    assert identity(plain.facts("boxed", "ab").asked_for("low"))["effort"] == "low"


def test_one_model_that_serves_several_lengths_is_not_tuned(root: Path, tmp_path: Path) -> None:
    from tersely.tune.run import require_tunable

    wanted = resolve({"model": "m", "task": "t", "objective": {"levels": LEVELS}})
    with pytest.raises(UserError, match="trains one model for several alphas, and tune moves one"):
        require_tunable(wanted, tmp_path / "out")
