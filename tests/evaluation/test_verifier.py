"""A run judged by a verifier of one's own: what is recorded of it, and what is not set beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tersely
from graders import ParityJudge
from run_files import content_of
from tersely.analysis.paired import compare_paired
from tersely.baselines.samples import draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.cli import main
from tersely.errors import RunError, UserError
from tersely.evaluation.profile import read_profile
from tersely.evaluation.records import read_evaluation
from tersely.models.trained_for import read_trained_for
from tersely.records import Status
from tersely.runs.folder import read_config
from tersely.runs.logs import read_log
from tiny_models import make_model_folder
from training import QUIET

MODULE = """
def odd(problem, response):
    return (sum(response.encode()) + len(problem.payload["tests"])) % 2 == 1

def even(problem, response):
    return not odd(problem, response)

def raises(problem, response):
    raise KeyError("nobody knows")

def hangs(problem, response):
    while True:
        pass

def nonsense(problem, response):
    return "very good"
"""
SMALL = {
    "template": "question", "run.steps": 2, "run.checkpoint_every": 1, "run.threads": 1, "run.judge_workers": 2,
    "sampling.prompts": 2, "sampling.n": 2, "sampling.max_new_tokens": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("verifier")
    make_model_folder(folder / "model")
    for name, start in (("task", 0), ("held_out", 100)):
        rows = [{"problem": f"Write program {start + i}.", "tests": ["a", "b"]} for i in range(4)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "my_checks.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("my_checks", None)


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    """Trained with the verifier ``odd``."""
    tersely.train(
        model=root / "model", task=root / "task.jsonl", out=root / "run", settings=SMALL,
        judge="my_checks:odd", display=QUIET,
    )  # fmt: skip
    return root / "run"


def evaluated(root: Path, model: Path, out: Path, *more: str) -> int:
    options = ["--task", str(root / "held_out.jsonl"), "--max-new-tokens", "64", "--out", str(out), *more]
    return main(["evaluate", str(model), *options])


@pytest.mark.slow
def test_a_checkpoint_says_who_judged_and_an_evaluation_too(root: Path, run: Path, tmp_path: Path) -> None:
    assert read_config(run)["verifier"] == "my_checks:odd"
    assert read_trained_for(run / "checkpoints/step-000002").verifier == "my_checks:odd"
    assert evaluated(root, run, tmp_path, "--verifier", "my_checks:odd") == 0
    found = read_evaluation(tmp_path / "run/held_out")
    assert found.protocol.verifier == "my_checks:odd"
    assert read_config(tmp_path / "run/held_out")["verifier"] == "my_checks:odd"
    assert {r.correct for r in found.responses()} <= {sum(r.text.encode()) % 2 == 1 for r in found.responses()}


@pytest.mark.slow
def test_judged_otherwise_than_in_training_needs_a_word(
    root: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--verifier", "my_checks:even"]):
        assert evaluated(root, run, tmp_path, *more) == 2
        said = capsys.readouterr().err
        assert "my_checks:odd" in said
        assert "--other-verifier" in said
    assert not (tmp_path / "run").exists()
    assert evaluated(root, run, tmp_path, "--verifier", "my_checks:even", "--other-verifier") == 0
    with pytest.raises(UserError, match="trained with the verifier my_checks:odd"):
        tersely.evaluate(run, task=root / "held_out.jsonl", out=tmp_path / "api", display=QUIET)
    own = tersely.evaluate(run, task=root / "held_out.jsonl", out=tmp_path / "api", judge=Parity(), display=QUIET)
    assert own.protocol.verifier == f"{__name__}:Parity"


class Parity:
    """A judge that is none of ours."""

    def __init__(self) -> None:
        self.begin_grading, self.grade = ParityJudge().begin_grading, ParityJudge().grade


@pytest.mark.slow
def test_evaluations_judged_by_different_verifiers_are_not_compared(root: Path, tmp_path: Path) -> None:
    for name in ("odd", "even"):
        assert evaluated(root, root / "model", tmp_path / name, "--verifier", f"my_checks:{name}") == 0
    one, other = (read_evaluation(tmp_path / name / "model/held_out") for name in ("odd", "even"))
    with pytest.raises(UserError, match="verifier 'my_checks:odd' and 'my_checks:even'"):
        compare_paired(one.responses(), other.responses(), one.protocol, other.protocol)
    assert evaluated(root, root / "model", tmp_path / "odd", "--verifier", "my_checks:even") == 2


def test_without_a_verifier_no_file_names_one(root: Path, tmp_path: Path) -> None:
    task = tmp_path / "sums.jsonl"
    task.write_text('{"problem": "1 + 1", "answer": "2"}\n{"problem": "2 + 2", "answer": "4"}\n')
    found = tersely.evaluate(root / "model", task=task, out=tmp_path, max_new_tokens=4, display=QUIET)
    for name in ("config.json", "summary.json"):
        assert '"verifier"' not in (found.path / name).read_text()
    config = resolve_samples({"model": str(root / "model"), "task": str(task), "sampling": {"max_new_tokens": 4}})
    draw_samples(config, tmp_path / "samples", QUIET)
    assert '"verifier"' not in (tmp_path / "samples/config.json").read_text()


@pytest.mark.slow
def test_a_profile_and_samples_take_a_verifier(root: Path, tmp_path: Path) -> None:
    task, model = str(root / "task.jsonl"), str(root / "model")
    options = ["--task", task, "--verifier", "my_checks:odd", "--out", str(tmp_path / "profile")]
    assert main(["profile", model, *options, "--size", "4", "--k", "2", "--max-new-tokens", "64"]) == 0
    accuracy = read_profile(tmp_path / "profile/model/task/profile.json").overall.accuracy
    assert accuracy is not None
    assert 0 < accuracy.value < 1
    samples = ["baseline", "samples", "--model", model, "--task", task, "--n", "2", "--out", str(tmp_path / "samples")]
    assert main([*samples, "--verifier", "my_checks:odd", "--set", "sampling.max_new_tokens=64"]) == 0
    assert json.loads((tmp_path / "samples/done.json").read_text())["correct"] > 0
    assert main([*samples, "--verifier", "my_checks:even", "--set", "sampling.max_new_tokens=64"]) == 2


@pytest.mark.slow
def test_plan_counts_the_prompts_of_a_task_without_answers(
    root: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.modules.pop("my_checks", None)
    assert main(["plan", "--run", str(run), "--json"]) == 0
    assert "my_checks" not in sys.modules
    options = ["--task", str(root / "task.jsonl"), "--verifier", "my_checks:odd", "--sample", "2", "--json"]
    small = ["--set", "sampling.max_new_tokens=64", "--set", "sampling.prompts=2"]
    capsys.readouterr()
    assert main(["plan", "--model", str(root / "model"), *options, *small]) in (0, 2)
    assert "2 responses of the base" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "nobody knows"),
        pytest.param("hangs", "timeout", marks=pytest.mark.slow),
        pytest.param("nonsense", "very good", marks=pytest.mark.slow),
    ],
)
def test_a_verifier_that_cannot_say_stops_the_run_and_the_last_checkpoint_stands(
    root: Path, tmp_path: Path, name: str, reason: str
) -> None:
    parts = {"model": root / "model", "task": root / "task.jsonl", "out": tmp_path / "run", "display": QUIET}
    with pytest.raises(RunError, match=rf"\d of 4 answers could not be judged.*{reason}.*run.unjudged_stop"):
        tersely.train(settings=SMALL, judge=f"my_checks:{name}", **parts)
    assert not (tmp_path / "run/journal.jsonl").exists()
    assert len(content_of(tmp_path / "run/unjudged.json")) >= 3


@pytest.mark.slow
def test_an_evaluation_says_how_many_could_not_be_judged_and_why(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for said_why in (True, False):  # the second time nothing is left to do
        assert evaluated(root, root / "model", tmp_path, "--verifier", "my_checks:raises") == 0
        told = capsys.readouterr()
        assert "of 4 responses could not be judged and enter no accuracy" in told.out
        assert ("the verifier raised KeyError: 'nobody knows'" in told.err) is said_why
    samples = ["baseline", "samples", "--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--n", "2"]
    options = ["--verifier", "my_checks:raises", "--set", "sampling.max_new_tokens=64"]
    assert main([*samples, *options, "--out", str(tmp_path / "samples")]) == 3
    assert "such as the verifier raised KeyError: 'nobody knows'" in capsys.readouterr().err


@pytest.mark.slow
def test_below_the_rate_the_run_goes_on_and_counts_them(root: Path, tmp_path: Path) -> None:
    result = tersely.train(
        model=root / "model", task=root / "task.jsonl", out=tmp_path / "run", display=QUIET, judge="my_checks:nonsense",
        settings={**SMALL, "run.unjudged_alarm": 1.0, "run.unjudged_stop": 1.0},
    )  # fmt: skip
    assert [(step.unjudged, step.reward) for step in result.steps] == [(0.75, 0.0)] * 2  # the fourth is cut
    assert Status.UNJUDGED in {line["status"] for line in read_log(tmp_path / "run/samples.jsonl")}
