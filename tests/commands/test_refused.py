"""A command that is refused has written nothing, and obeying its cure once is enough."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.tasks import load_task
from tiny_models import make_model_folder, make_task

TOO_MUCH = "2040"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    model = make_model_folder(folder / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    make_task(folder / "task.jsonl", count=4)
    rows = [{"problem": f"Where is {i}?", "choices": {"A": "x", "B": "y"}, "answer": "AB"[i % 2]} for i in range(3)]
    (folder / "choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def command(verb: str, root: Path, out: Path, cap: str) -> list[str]:
    task = root / ("choices.jsonl" if verb == "faithfulness" else "task.jsonl")
    if verb == "train":
        fewest = [f"sampling.max_new_tokens={cap}", "sampling.prompts=2", "sampling.n=2", "run.threads=1"]
        model = ["train", "--model", str(root / "model"), "--task", str(task), "--steps", "1", "--out", str(out)]
        return [*model, *(word for setting in fewest for word in ("--set", setting))]
    options = ["--task", str(task), "--size", "3", "--max-new-tokens", cap, "--threads", "1", "--out", str(out)]
    return [verb, str(root / "model"), *options]


@pytest.mark.parametrize(
    "verb",
    [
        "evaluate",
        "train",
        pytest.param("profile", marks=pytest.mark.slow),
        pytest.param("faithfulness", marks=pytest.mark.slow),
    ],
)
def test_a_cap_that_does_not_fit_is_refused_before_anything_is_written(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(verb, root, out, TOO_MUCH)) == 2
    said = capsys.readouterr().err
    assert not out.exists()
    cure = re.search(r"use (?:--max-new-tokens |--set sampling.max_new_tokens=)(\d+) or less", said)
    assert cure is not None, said
    assert main(command(verb, root, out, cure[1])) == 0


def trained(root: Path, folder: Path, template: str) -> Path:
    """A model that says what it was trained for, as a checkpoint of ours does."""
    shutil.copytree(root / "model", folder)
    (folder / "tersely.json").write_text(json.dumps({"template": template, "max_new_tokens": 8}))
    return folder


def evaluate(root: Path, out: Path, *models: Path) -> list[str]:
    task = ["--task", str(root / "task.jsonl"), "--size", "3", "--threads", "1", "--out", str(out)]
    return ["evaluate", *map(str, models), *task]


def test_problems_that_the_last_model_was_trained_on_are_found_before_the_first_is_sampled(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = trained(root, tmp_path / "last", "boxed")
    ids = [problem.id for problem in load_task(root / "task.jsonl", "held_out")]
    (last / "trained_on.json").write_text(json.dumps({"problem_ids": ids}))
    assert main(evaluate(root, tmp_path / "out", root / "model", last)) == 2
    assert "was trained on 3 of these 3 problems" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_base_is_asked_under_its_runs_template(root: Path, tmp_path: Path) -> None:
    run = trained(root, tmp_path / "run", "question")
    assert main(evaluate(root, tmp_path / "out", root / "model", run)) == 0
    for name in ("model", "run"):
        summary = json.loads((tmp_path / "out" / name / "task" / "summary.json").read_text())
        assert summary["protocol"]["template"] == "question"


def test_a_base_that_was_trained_for_other_terms_is_asked_as_its_runs(root: Path, tmp_path: Path) -> None:
    """A base of our own making, the embedded one among them, records a template and a cap."""
    base, run = (
        trained(root, tmp_path / name, template) for name, template in (("base", "question"), ("run", "boxed"))
    )
    facts = {"template": "boxed", "max_new_tokens": 12, "base": str(base)}
    (run / "tersely.json").write_text(json.dumps(facts))
    assert main(evaluate(root, tmp_path / "out", base, run)) == 0
    for name in ("base", "run"):
        protocol = json.loads((tmp_path / "out" / name / "task" / "summary.json").read_text())["protocol"]
        assert (protocol["template"], protocol["max_new_tokens"]) == ("boxed", 12)


def test_models_of_two_templates_are_refused_before_the_first_is_sampled(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [trained(root, tmp_path / name, template) for name, template in (("a", "question"), ("b", "boxed"))]
    assert main(evaluate(root, tmp_path / "out", *runs)) == 2
    assert "different templates (a 'question', b 'boxed')" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*evaluate(root, tmp_path / "out", *runs), "--template", "boxed", "--other-template"]) == 0


CHAINS = {
    "quickstart": "quickstart --base {model} --size 24 --steps 1",
    "sweep": "sweep --model {model} --task {task} --held-out {held_out} --recipe tiny",
    "ablate": "ablate kl --model {model} --task {task} --held-out {held_out} --recipe tiny",
}


@pytest.mark.parametrize("verb", [pytest.param("quickstart", marks=pytest.mark.slow), "sweep", "ablate"])
def test_a_chain_whose_cap_does_not_fit_writes_nothing(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "held_out.jsonl", count=3, start=50)
    model = shutil.copytree(root / "model", tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 200}))
    places = {"model": model, "task": root / "task.jsonl", "held_out": tmp_path / "held_out.jsonl"}
    words = [word.format(**places) for word in CHAINS[verb].split()]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "exceed the model's 200 positions" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("held_out", "size", "said"),
    [("task.jsonl", "4", "4 of the 4 problems"), ("other.jsonl", "40", "holds 3 problems, 40 were asked for")],
)
def test_an_ablation_looks_at_its_held_out_problems_before_it_trains(
    held_out: str, size: str, said: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "other.jsonl", count=3, start=50)
    make_task(tmp_path / "task.jsonl", count=4)
    words = ["ablate", "kl", "--model", str(root / "model"), "--task", str(root / "task.jsonl"), "--size", size]
    assert main([*words, "--held-out", str(tmp_path / held_out), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("train --model m --lr 1e-5", "use --set learner.learning_rate=1e-5;"),
        ("train --model m --max-new-tokens=8", "use --set sampling.max_new_tokens=8;"),
        ("train --model m --size 40", "use --set train_size=40;"),
        ("train --model m --k 4", "use --set sampling.n=4;"),
        ("train --model m --kl 0.1", "use --set learner.kl_coefficient=0.1;"),
        ("ablate kl --lr 1e-5", "use --set learner.learning_rate=1e-5;"),
        ("baseline sft --model m --task t --out o --lr 1e-5", "use --learning-rate 1e-5;"),
        ("evaluate m --siez 3", "did you mean '--size'?"),
        ("train org/model", "use --model org/model"),
        ("train TASK.jsonl", "use --task TASK.jsonl"),
        ("train HERE", "use --model HERE"),
    ],
)
def test_what_another_verb_or_trainer_calls_it_names_what_it_is_here(
    words: str, cure: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: int | str | None = main(words.replace("HERE", str(tmp_path)).split())
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert cure.replace("HERE", str(tmp_path)) in capsys.readouterr().err


def test_a_table_is_turned_into_json_lines_by_the_command_that_is_said(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "my table.csv"
    table.write_text('problem,answer\n"What, say, is 1 + 1?",2\n')
    assert main(["train", "--model", str(root / "model"), "--task", str(table), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    cure = re.search(r"not valid JSON; JSON Lines wanted, one object \{\.\.\.\} a line: (python .*) makes them", said)
    assert cure is not None, said
    subprocess.run(["bash", "-c", cure[1]], check=True)
    assert load_task(tmp_path / "my table.jsonl", "train")[0].question == "What, say, is 1 + 1?"


def test_what_is_printed_to_be_run_next_can_be_pasted_whatever_the_paths(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a file of four problems is profiled whole, though the usual number is larger."""
    model = shutil.copytree(root / "model", tmp_path / "my model")
    words = ["profile", str(model), "--task", str(root / "task.jsonl"), "--max-new-tokens", "8", "--threads", "1"]
    assert main([*words, "--k", "2", "--out", str(tmp_path / "my profiles")]) == 0
    following = capsys.readouterr().out.rpartition("(next: ")[2].rstrip().removesuffix(")")
    path = tmp_path / "my profiles" / "my model" / "task" / "profile.json"
    asked = ["--model", str(model), "--task", str(root / "task.jsonl"), "--template", "boxed"]
    asked += ["--set", "sampling.max_new_tokens=8", "--profile", str(path)]
    assert shlex.split(following) == ["tersely", "plan", *asked]
    assert json.loads(path.read_text())["overall"]["problems"] == 4
    run = tmp_path / "my run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"tersely": "0.1.0", "kind": "base", "config": {}}))
    assert main(["compare", str(run), "--out", str(tmp_path / "page")]) == 2
    assert f"run tersely evaluate {shlex.quote(str(run))} first" in capsys.readouterr().err
