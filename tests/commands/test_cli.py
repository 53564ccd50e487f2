"""The command line as a person meets it: real processes, exit codes, one sentence for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import forked
from tersely.cli import build_parser, main
from tersely.commands.settings import training_config
from tersely.commands.train import usual_folder
from tiny_models import make_model_folder, make_task


def tersely(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tersely", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line said on standard error; asserts exit code 2, no traceback and nothing on standard output."""
    try:
        code: int | str | None = main([str(a) for a in arguments])
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.startswith("tersely: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    make_task(folder / "held_out.jsonl", start=100)
    return folder


def test_help_needs_no_heavy_import() -> None:
    code = "import sys; from tersely.cli import build_parser; build_parser(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("torch", "transformers", "numpy", "pydantic", "rich", "matplotlib", "scipy"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.slow
def test_verify_reads_lines_and_writes_them_with_verdicts(tmp_path: Path) -> None:
    rows = [
        {"gold": "1/2", "response": "so \\boxed{0.5}", "mine": 7},
        {"gold": "3", "response": "the answer is 3 or 5"},
        {"gold": "B", "response": "<think>A?</think> \\boxed{B}", "kind": "choice"},
        {"gold": "4", "response": "\\boxed{5}"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(r) for r in rows) + "\n")
    done = tersely("verify", tmp_path / "in.jsonl")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f["status"] for f in found] == ["CORRECT", "NO_ANSWER", "CORRECT", "WRONG"]
    assert found[0]["mine"] == 7
    assert {"extracted", "reason", "seconds"} <= found[0].keys()


@pytest.mark.slow
def test_score_is_the_paper_by_hand(tmp_path: Path) -> None:
    # Two correct of lengths 10 and 30: z = -1 and 1; sigmoid(1) = 0.7310585786; alpha 0.2.
    rows = [{"group": "p", "correct": c, "length": n} for c, n in ((True, 10), (True, 30), (False, 20))]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    done = tersely("score", tmp_path / "in.jsonl", "--alpha", "0.2")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    short, long = 1 - 0.2 * (1 - 0.7310585786300049), 1 - 0.2 * 0.7310585786300049
    assert [f["reward"] for f in found] == pytest.approx([short, long, 0.0])
    assert [f["advantage"] for f in found] == pytest.approx([short - long / 2, long - short / 2, -(short + long) / 2])


def test_score_takes_a_method_of_ones_own_with_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"group": "p", "correct": c, "length": n} for c, n in ((True, 10), (False, 30))]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    assert main(["score", str(tmp_path / "in.jsonl"), "--method", "toy_methods:Flat", "--set", "price=0.01"]) == 0
    assert [json.loads(line)["reward"] for line in capsys.readouterr().out.splitlines()] == [0.9, -0.3]
    assert "needs alpha" in refused(capsys, "score", tmp_path / "in.jsonl")
    assert "has no alpha" in refused(
        capsys, "score", tmp_path / "in.jsonl", "--method", "toy_methods:Flat", "--alpha", "0.1"
    )
    assert "did you mean 'price'" in refused(
        capsys, "score", tmp_path / "in.jsonl", "--method", "toy_methods:Flat", "--set", "prise=1"
    )


@pytest.mark.slow
def test_train_evaluate_report_go_the_whole_way_on_any_model_and_file(root: Path, tmp_path: Path) -> None:
    """The first of them is begun as a user begins it."""
    run, base_out = tmp_path / "run", tmp_path / "foreign"
    done = tersely(
        "train", "--model", root / "model", "--task", root / "task.jsonl", "--alpha", "0.2", "--out", run,
        "--steps", "2", "--set", "sampling.max_new_tokens=16", "--set", "sampling.prompts=4",
        "--set", "run.threads=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stderr
    options = ["--task", root / "held_out.jsonl", "--k", "2", "--max-new-tokens", "16"]
    assert forked.run("evaluate", run, *options).returncode == 0
    refusal = forked.run("evaluate", root / "model", *options)
    assert refusal.returncode == 2
    assert "--out" in refusal.stderr
    assert forked.run("evaluate", root / "model", *options, "--out", base_out).returncode == 0
    again = forked.run("evaluate", run, *options)
    assert "finished already" in again.stderr
    done = forked.run("report", run, "--base", base_out / "model", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.slow
def test_base_and_run_in_one_command_take_the_run_s_cap_and_the_run_keeps_its_evaluation(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's commands for one's own model, as they stand there."""
    run, out = tmp_path / "run", tmp_path / "evaluations"
    assert main([str(a) for a in train(root, "--steps", "1", "--out", run, "--set", "sampling.max_new_tokens=16")]) == 0
    command = ["evaluate", root / "model", run, "--task", root / "held_out.jsonl", "--out", out]
    assert main([str(a) for a in command]) == 0
    assert [path.name for path in out.iterdir()] == ["model"]
    for folder in (out / "model" / "held_out", run / "evaluation" / "held_out"):
        assert json.loads((folder / "summary.json").read_text())["protocol"]["max_new_tokens"] == 16
    assert main(["report", str(run), "--base", str(out / "model"), "--out", str(tmp_path / "report")]) == 0
    capsys.readouterr()
    elsewhere = tmp_path / "elsewhere"
    alone = ["evaluate", run, "--task", root / "held_out.jsonl", "--k", "2", "--out", elsewhere]
    assert main([str(a) for a in alone]) == 0
    assert (elsewhere / "run" / "held_out" / "summary.json").is_file()


def train(root: Path, *more: str | Path) -> list[str | Path]:
    return ["train", "--model", root / "model", "--task", root / "task.jsonl", "--set", "sampling.prompts=4", *more]


def test_alpha_outside_its_range(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for alpha in ("1", "-0.1", "nan"):
        said = refused(capsys, *train(root, "--alpha", alpha, "--out", tmp_path / "run"))
        assert "alpha" in said
        assert not (tmp_path / "run").exists()
    assert "[0, 1)" in refused(capsys, "quickstart", "--alphas", "0,2", "--out", tmp_path / "quick")
    assert not (tmp_path / "quick").exists()


def test_group_of_one(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "sampling.n" in refused(capsys, *train(root, "--set", "sampling.n=1", "--out", tmp_path / "run"))


def test_unknown_names_with_the_nearest_one(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'evaluate'" in refused(capsys, "evalute", "x")
    assert "did you mean '--alpha'" in refused(capsys, *train(root, "--alpa", "0.1", "--out", tmp_path / "r"))
    assert "did you mean 'tiny'" in refused(capsys, *train(root, "--recipe", "tinny", "--out", tmp_path / "r"))
    said = refused(capsys, *train(root, "--set", "learner.learnin_rate=1", "--out", tmp_path / "r"))
    assert "did you mean 'learner.learning_rate'" in said


def test_model_folder_without_weights_or_tokenizer(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for missing, word in (("model.safetensors", "safetensors"), ("tokenizer.json", "tokenizer")):
        folder = tmp_path / missing
        folder.mkdir()
        for file in (root / "model").iterdir():
            if file.name != missing:
                (folder / file.name).write_bytes(file.read_bytes())
        task = ["--task", root / "task.jsonl", "--out", tmp_path / "run"]
        assert word in refused(capsys, "train", "--model", folder, *task)
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_foreign_or_unwritable_output_folder(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    assert str(foreign) in refused(capsys, *train(root, "--set", "sampling.max_new_tokens=8", "--out", foreign))
    assert [p.name for p in foreign.iterdir()] == ["thesis.tex"]
    assert str(foreign) in refused(capsys, "quickstart", "--out", foreign)
    said = refused(capsys, *train(root, "--set", "sampling.max_new_tokens=8", "--out", Path(os.devnull) / "run"))
    assert "/dev/null" in said


def test_malformed_and_duplicate_lines_are_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tmp_path / "bad.jsonl"
    for content, word in (
        ('{"problem": "a", "answer": "1"}\n{"problem": "b", "answer"\n', ":2"),
        ('{"problem": "a", "answer": "1"}\n\n{"problem": "a", "answer": "1"}\n', "3"),
        ('{"problem": "a"}\n', "answer"),
        ("", "empty"),
    ):
        task.write_text(content)
        options = ["--model", root / "model", "--task", task, "--out", tmp_path / "run"]
        assert word in refused(capsys, "train", *options)
    assert "gone.jsonl" in refused(capsys, "verify", tmp_path / "gone.jsonl")
    assert "gone.jsonl" in refused(capsys, "score", tmp_path / "gone.jsonl", "--alpha", "0.1")


def test_evaluating_under_another_template_needs_a_flag(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "trained"
    folder.mkdir()
    for file in (root / "model").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "tersely.json").write_text('{"template": "question", "max_new_tokens": 16}')
    options = ["--task", root / "task.jsonl", "--out", tmp_path / "out"]
    said = refused(capsys, "evaluate", folder, *options, "--template", "boxed")
    assert "--other-template" in said


def test_half_finished_evaluation_is_said_so_by_the_report(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "run folder" in refused(capsys, "report", tmp_path / "nothing", "--out", tmp_path / "page")


@pytest.mark.slow
def test_problems_that_a_run_was_trained_on_are_not_held_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps", "1", "--set", "sampling.max_new_tokens=8", "--set", "run.threads=1"]
    assert main([str(a) for a in train(root, *options, "--out", tmp_path / "run")]) == 0
    capsys.readouterr()
    said = refused(capsys, "evaluate", tmp_path / "run", "--task", root / "task.jsonl")
    assert "trained on 12 of these 12 problems" in said
    evaluated = ["evaluate", str(tmp_path / "run"), "--task", str(root / "task.jsonl"), "--allow-overlap"]
    assert main(evaluated) == 0


def test_cap_above_the_models_positions_is_refused_before_anything_is_sampled(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", root / "held_out.jsonl", "--out", tmp_path / "out"]
    said = refused(capsys, "evaluate", root / "model", *options, "--max-new-tokens", "4000")
    assert "2048 positions" in said
    assert "use --max-new-tokens 19" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--model m --alpha 0.1", ("m", "numina", 3200, 5e-6, 0.1, "runs/m-alpha-0.1")),
        ("paper-7b --model org/big --alpha 0.4 --seed 3",
         ("org/big", "numina", 3200, 2e-6, 0.4, "runs/big-alpha-0.4-seed-3")),
        ("paper-1.5b --task x.jsonl --set learner.learning_rate=1e-6",
         ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "x.jsonl", None, 1e-6, 0.1,
          "runs/DeepSeek-R1-Distill-Qwen-1.5B-alpha-0.1")),
    ],
)  # fmt: skip
def test_a_model_alone_is_trained_as_the_paper_did(words: str, expected: tuple[object, ...]) -> None:
    config = training_config(build_parser().parse_args(["train", *words.split()]))
    found = (config.model, config.task, config.train_size, config.learner.learning_rate, config.objective.alpha)
    assert (*found, str(usual_folder(config))) == expected
    assert (config.sampling.max_new_tokens, config.template) == (32000, "boxed")


def test_nothing_to_train_and_two_recipes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "--model" in capsys.readouterr().err
    assert main(["train", "tiny", "--recipe", "paper-7b", "--model", "m"]) == 2
    assert "name one" in capsys.readouterr().err
