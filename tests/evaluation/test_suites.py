"""Suites, repetitions and curves through the real command, on models of thirty thousand parameters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from graders import ParityJudge, is_odd
from run_files import without_checks
from tersely.cli import main
from tersely.errors import UserError
from tersely.evaluation import read_curve, read_evaluation, read_responses
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.suites import read_suite, suite_names, suite_sets
from tersely.evaluation.terms import Asking
from tersely.evaluation.thinking import ThinkingCounter
from tersely.evaluation.versus import read_noise, suite_aggregate
from tersely.records import Problem, Status, Verdict
from tersely.runs.folder import RunFolder
from tersely.tasks.prompts import render
from tiny_models import make_model_folder, make_task, make_tokenizer

OWN = """
[protocol]
temperature = 0.6
top_p = 0.95
max_new_tokens = 60
[sets.easy]
task = "gsm8k"
k = 2
[sets.hard]
task = "math500"
k = 3
size = 4
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suites")
    make_model_folder(folder / "model")
    make_model_folder(folder / "other", seed=1)
    (folder / "data").mkdir()
    make_task(folder / "data" / "easy.jsonl", count=6)
    make_task(folder / "data" / "hard.jsonl", count=6, start=50)
    (folder / "own.toml").write_text(OWN)
    with RunFolder.open(folder / "run", "train", {"seed": 0}) as run:
        for step, model in ((10, "model"), (20, "other")):
            run.save(step, lambda place, model=model: shutil.copytree(folder / model, place, dirs_exist_ok=True), {})
    return folder


class Rewarding(ParityJudge):
    """A random model never answers; here every third question is always right, and else the text decides."""

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        right = [int(p.gold) % 3 == 0 or is_odd(text) for p, text in pairs]
        return [Verdict(Status.CORRECT if ok else Status.WRONG, "1", "test") for ok in right]


class AllWrong(ParityJudge):
    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [Verdict(Status.WRONG, "1", "test") for _ in pairs]


@pytest.fixture(autouse=True)
def rewarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tersely.rollouts.Judge", Rewarding)


def run(root: Path, *arguments: str | Path) -> int:
    return main(["evaluate", *map(str, arguments), "--threads", "1"])


def refused(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str | Path) -> str:
    assert run(root, *arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("tersely: ")
    assert said.err.count("\n") == 1
    return said.err


# --- files


def test_every_shipped_suite_reads_and_the_papers_is_the_papers() -> None:
    assert suite_names() == ["embedded", "model-card", "paper"]
    for name in suite_names():
        assert read_suite(name)[1].about
    sets = {one.protocol.name: one for one in suite_sets("paper")}
    ks = {name: one.protocol.k for name, one in sets.items()}
    assert ks.items() >= {"paper.gsm8k": 1, "paper.math500": 3, "paper.aime2024": 10}.items()
    assert len(sets) == 5
    rules = {(p.temperature, p.top_p, p.max_new_tokens) for p in (one.protocol for one in sets.values())}
    assert rules == {(0.6, 1.0, 32768)}
    assert {one.protocol.top_p for one in suite_sets("model-card")} == {0.95}


def test_the_embedded_suite_is_the_quickstarts_protocol() -> None:
    from tersely.pipelines.quickstart import QuickstartPlan

    arguments = QuickstartPlan(Path("x"), 0, None, 1200).evaluate(Path("x/r")).arguments
    given = dict(zip(arguments[2::2], arguments[3::2], strict=False))
    (one,) = suite_sets("embedded")
    assert given["--task"] == one.source == "arithmetic"
    stated = [one.protocol.size, one.protocol.k, one.protocol.max_new_tokens]
    assert stated == [int(given[name]) for name in ("--size", "--k", "--max-new-tokens")]


def test_data_beats_the_folder_and_the_folder_the_hub(root: Path) -> None:
    own, data = str(root / "own.toml"), root / "data"
    assert [one.source for one in suite_sets(own)] == ["gsm8k", "math500"]
    inside = [str(data / "easy.jsonl"), str(data / "hard.jsonl")]
    assert [one.source for one in suite_sets(own, data_dir=data)] == inside
    given = suite_sets(own, [f"hard={data / 'easy.jsonl'}"], data)
    assert [one.source for one in given] == [inside[0], inside[0]]
    assert [one.protocol.name for one in suite_sets(own, only="hard")] == ["own.hard"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("protocol = 1", "protocol"),
        ("[protocol", "not valid TOML"),
        ("[protocol]\ntemperature=1\ntop_p=1\nmax_new_tokens=5\n[sets]\n", "sets"),
        (OWN.replace("k = 2", "k = 0"), "sets.easy.k"),
        (OWN.replace("k = 2", "k = 2\nrounds = 1"), "rounds"),
        (OWN.replace("sets.easy", 'sets."a@b"'), "no name"),
    ],
)
def test_a_wrong_suite_file_is_told_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UserError, match=said):
        read_suite(str(tmp_path / "mine.toml"))


def test_what_cannot_work_is_one_sentence_before_a_model_is_loaded(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = root / "own.toml"
    assert "known are embedded, model-card, paper" in refused(capsys, root, root / "model", "--suite", "papr")
    assert "did you mean 'easy'" in refused(capsys, root, root / "model", "--suite", own, "--data", "eazy=x.jsonl")
    assert "2 of the 2 sets" in refused(capsys, root, root / "model", "--suite", own, "--data-dir", root / "none")
    assert "--k would be another" in refused(capsys, root, root / "model", "--suite", own, "--k", "4")
    assert "belongs to a suite" in refused(capsys, root, root / "model", "--data-dir", root / "data")
    assert "no checkpoints" in refused(capsys, root, root / "model", "--all-checkpoints")
    assert "NAME=FILE" in refused(capsys, root, root / "model", "--suite", own, "--data", "easy")
    assert "there is no model" in refused(capsys, root, root / "gone", "--task", root / "data" / "easy.jsonl")


# --- the command


@pytest.mark.slow
def test_a_suite_is_evaluated_set_by_set_and_compared_as_a_whole(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [root / "model", root / "other", "--suite", root / "own.toml", "--data-dir", root / "data"]
    command += ["--out", tmp_path, "--repeat"]
    assert run(root, *command) == 0
    said = capsys.readouterr().out
    assert "all sets" in said
    assert "AES" in said
    assert "noise" in said
    names = ["own.easy", "own.easy@repeat-1", "own.hard", "own.hard@repeat-1"]
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == names
    assert sorted(p.name for p in (tmp_path / "other").iterdir()) == ["own.easy", "own.hard"]
    rules = read_evaluation(tmp_path / "model" / "own.hard").protocol
    expected = {"task": "hard", "suite": "own", "k": 3, "size": 4, "top_p": 0.95, "step": None, "instruction": None}
    assert {key: rules.value(key) for key in expected} == expected
    assert read_evaluation(tmp_path / "model" / "own.hard@repeat-1").protocol.seed == 1
    # Golden: the ratios of the summaries' own means, averaged.
    folders = [{n: tmp_path / m / f"own.{n}" for n in ("easy", "hard")} for m in ("model", "other")]
    found = suite_aggregate(*folders)
    means = [
        [getattr(read_evaluation(f).summary.overall, key).value for f in side.values()]
        for key in ("accuracy", "tokens")
        for side in folders
    ]
    ratios = [(m[0] / b[0] + m[1] / b[1]) / 2 for b, m in (means[:2], means[2:])]
    assert [found.accuracy.value, found.tokens.value] == pytest.approx(ratios)
    assert read_noise(folders[0]["easy"]).source.startswith("two evaluations")
    assert read_noise(folders[1]["easy"]).source.startswith("two halves")

    before = (tmp_path / "model" / "own.easy" / "responses.jsonl").read_bytes()
    assert run(root, *command) == 0  # again: nothing is redone
    assert (tmp_path / "model" / "own.easy" / "responses.jsonl").read_bytes() == before


def test_a_set_without_a_ratio_leaves_the_tables(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tersely.rollouts.Judge", AllWrong)
    command = [root / "model", root / "other", "--suite", root / "own.toml", "--data-dir", root / "data"]
    assert run(root, *command, "--out", tmp_path, "--sets", "easy") == 0
    said = capsys.readouterr().out
    assert "no aggregate: easy: the base solves nothing" in said
    assert "all sets" not in said


def test_a_half_finished_evaluation_says_how_much_is_missing_and_goes_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = root / "data" / "easy.jsonl"
    command = [root / "model", "--task", task, "--k", "2", "--max-new-tokens", "12", "--out", tmp_path]
    assert run(root, *command) == 0
    folder = tmp_path / "model" / "easy"
    whole = (folder / "responses.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (folder / "responses.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:20])
    for name in ("summary.json", "done.json"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="7 of 12 responses are missing"):
        read_evaluation(folder)
    assert run(root, *command) == 0
    again = (folder / "responses.jsonl").read_bytes()
    assert again.startswith(b"".join(lines[:5]))  # no finished response was touched
    assert sorted(again.splitlines()) == sorted(whole.splitlines())


def test_every_kept_checkpoint_is_a_point_of_the_curve(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = root / "data" / "easy.jsonl"
    with pytest.raises(UserError, match="all-checkpoints"):
        read_curve(root / "run", "easy")
    assert run(root, root / "run", "--task", task, "--max-new-tokens", "12", "--all-checkpoints") == 0
    said = capsys.readouterr().out
    assert "run step 10" in said
    assert "run.checkpoint_every" in said
    curve = read_curve(root / "run", "easy")
    assert [step for step, _ in curve] == [10, 20]
    assert [evaluation.protocol.step for _, evaluation in curve] == [10, 20]
    assert len({evaluation.weights_sha256 for _, evaluation in curve}) == 2
    (root / "run" / "evaluation" / "easy@step-000020" / "summary.json").unlink()
    with pytest.raises(UserError, match="0 of 6 responses are missing"):
        read_curve(root / "run", "easy")


def test_an_empty_set_is_refused_and_one_problem_has_no_interval(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.jsonl").write_text("")
    common = ["--max-new-tokens", "12", "--out", tmp_path]
    assert "none.jsonl" in refused(capsys, root, root / "model", "--task", tmp_path / "none.jsonl", *common)
    one = make_task(tmp_path / "one.jsonl", count=1)
    assert run(root, root / "model", "--task", one, "--k", "2", *common) == 0
    said = capsys.readouterr().out
    assert "no interval" in said
    assert "one problem" in said


def test_other_caps_are_not_compared(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = root / "data" / "easy.jsonl"
    for name, cap in (("model", "12"), ("other", "8")):
        assert run(root, root / name, "--task", task, "--max-new-tokens", cap, "--out", tmp_path) == 0
    capsys.readouterr()
    shutil.copytree(root / "model", tmp_path / "short")
    (tmp_path / "short" / "tersely.json").write_text(json.dumps({"max_new_tokens": 8}))
    shutil.copytree(root / "model", tmp_path / "long")
    (tmp_path / "long" / "tersely.json").write_text(json.dumps({"max_new_tokens": 9}))
    said = refused(capsys, root, tmp_path / "long", tmp_path / "short", "--task", task, "--out", tmp_path / "none")
    assert "different caps (long 9, short 8)" in said
    assert not (tmp_path / "none").exists()
    sides = [{"easy": tmp_path / name / "easy"} for name in ("model", "other")]
    with pytest.raises(UserError, match="max_new_tokens 12 and 8"):
        suite_aggregate(*sides)
    with pytest.raises(UserError, match="same sets"):
        suite_aggregate(sides[0], {**sides[1], "hard": tmp_path})


def test_an_instruction_changes_the_prompt_and_the_folder(root: Path, tmp_path: Path) -> None:
    task = root / "data" / "easy.jsonl"
    command = [root / "model", "--task", task, "--max-new-tokens", "12", "--out", tmp_path]
    assert run(root, *command) == run(root, *command, "--instruction", "limit:64") == 0
    plain, asked = (tmp_path / "model" / name for name in ("easy", "easy@limit-64"))
    assert read_evaluation(asked).protocol.instruction == "limit:64"
    assert [r.text for r in read_responses(plain)] != [r.text for r in read_responses(asked)]


def test_the_paper_s_own_limit_stands_in_place_of_the_model_s_prompt() -> None:
    tokenizer = make_tokenizer()
    protocol = EvalProtocol("gsm8k", None, 1, 8, instruction="paper-limit:512")
    asking = Asking.of(protocol, tokenizer, "boxed")
    problem = Problem("p", "What is 1 + 1?", "2", "math", "s", None, "held_out")
    prompt = tokenizer.decode(render(problem, tokenizer, asking.template, asking.sentence))
    asked = "Please think step by step and answer in less than 512 tokens. Question: What is 1 + 1? Answer:"
    assert prompt == f"<|user|>{asked}<|assistant|>"
    assert protocol.name == "gsm8k@paper-limit-512"


def test_a_repetition_stands_beside_what_it_repeats(root: Path, tmp_path: Path) -> None:
    command = [root / "model", "--task", root / "data" / "easy.jsonl", "--max-new-tokens", "8", "--out", tmp_path]
    assert run(root, *command, "--instruction", "concise", "--repeat") == 0
    found = read_noise(tmp_path / "model" / "easy@concise")
    assert found is not None
    assert found.source.startswith("two evaluations")


def test_a_suite_lowers_its_cap_to_what_the_model_has_room_for_and_marks_it(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root / "model", tmp_path / "narrow")
    config = json.loads((root / "model" / "config.json").read_text())
    (tmp_path / "narrow" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 128}))
    (tmp_path / "wide.toml").write_text(OWN.replace("max_new_tokens = 60", "max_new_tokens = 400"))
    command = [tmp_path / "narrow", "--suite", tmp_path / "wide.toml", "--sets", "hard", "--data-dir", root / "data"]
    assert run(root, *command, "--out", tmp_path / "out") == 0
    assert "the suite's cap of 400 is lowered to" in capsys.readouterr().err
    found = read_evaluation(tmp_path / "out" / "narrow" / "wide.hard").protocol
    assert found.suite_cap == 400
    assert found.max_new_tokens is not None
    assert 0 < found.max_new_tokens < 128
    assert found.to_json()["suite_cap"] == 400  # where the pages take it from


# --- thinking


def test_thinking_is_counted_on_ids() -> None:
    tokenizer = make_tokenizer()
    spelled = ThinkingCounter(tokenizer)  # this tokenizer spells the tag with several tokens
    ids = tokenizer.encode("I wonder </think> 42", add_special_tokens=False)
    behind = tokenizer.encode(" 42", add_special_tokens=False)
    assert spelled.count((), ids, "I wonder </think> 42") == len(ids) - len(behind)
    twice = tokenizer.encode("I </think> " + "wonder " * 40 + "</think> " + "and " * 30, add_special_tokens=False)
    rest = tokenizer.encode(" " + "and " * 30, add_special_tokens=False)
    assert spelled.count((), twice, tokenizer.decode(twice)) == len(twice) - len(rest)
    tokenizer.add_tokens(["<think>", "</think>"])
    own = ThinkingCounter(tokenizer)
    opening, closing = (tokenizer.convert_tokens_to_ids(t) for t in ("<think>", "</think>"))
    assert own.count((), (5, closing, 6, closing, 7, 8), "") == 4
    assert own.count((), (opening, 5, 6), "") == 3
    assert own.count((9, opening), (5, 6), "") == 2
    assert own.count((9,), (5, 6), "") == 0
    # An empty thought in the prompt is how templates ask for none.
    assert own.count((9, opening, closing), (5, 6), "") == 0


def test_lines_of_older_evaluations_are_read(root: Path, tmp_path: Path) -> None:
    assert (
        run(root, root / "model", "--task", root / "data" / "easy.jsonl", "--max-new-tokens", "8", "--out", tmp_path)
        == 0
    )
    path = tmp_path / "model" / "easy" / "responses.jsonl"
    without_checks(path.parent)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(row.pop("thinking_tokens") == 0 for row in rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [r.thinking_tokens for r in read_responses(path.parent)] == [None] * len(rows)
