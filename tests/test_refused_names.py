"""Names that no file can bear, outputs that cannot be, recipes that are none: one sentence, and no file made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_runs import make_family
from tersely.cli import main
from tersely.config import resolve
from tersely.errors import UserError
from tiny_models import make_model_folder, make_task

TRAINED = ["--model", "model", "--task", "task.jsonl"]
SMALL = ["--set", "sampling.max_new_tokens=64", "--set", "sampling.prompts=2", "--set", "sampling.n=2"]
WRITES = {
    "train": ["train", *TRAINED, *SMALL, "--template", "question", "--steps", "1", "--out"],
    "evaluate": ["evaluate", "model", "--task", "task.jsonl", "--max-new-tokens", "4", "--out"],
    "profile": ["profile", "model", "--task", "task.jsonl", "--size", "4", "--max-new-tokens", "4", "--out"],
    "samples": ["baseline", "samples", *TRAINED, "--n", "2", "--set", "sampling.max_new_tokens=64", "--out"],
    "behaviours": ["behaviours", "alpha-0.1-seed-0", "--out"],
    "report": ["report", "alpha-0.1-seed-0", "--out"],
    "compare": ["compare", "alpha-0.1-seed-0", "--out"],
    "prepare": ["prepare", "task.jsonl", "--exclude", "none", "--out"],
    "quickstart": ["quickstart", "--fast", "--out"],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl", count=4)
    make_family(folder, alphas=(0.1,), problems=4)
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    said = capsys.readouterr()
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("tersely: ")
    assert "Traceback" not in said.err
    return last


OBSTACLES = ("dangling link", "link to itself", "file", "pipe")
CASES = [
    pytest.param(what, verb, marks=[] if what == OBSTACLES[0] or verb == "train" else [pytest.mark.slow])
    for what in OBSTACLES
    for verb in WRITES
]
"""The fast tests have every verb once and every obstacle once."""


@pytest.mark.parametrize(("what", "verb"), CASES)
def test_an_output_that_is_no_folder_is_refused_and_stays(
    what: str,
    verb: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(root)
    out = tmp_path / "out"
    make: dict[str, Callable[[], object]] = {
        "dangling link": lambda: out.symlink_to("nowhere/x"),
        "link to itself": lambda: out.symlink_to(out),
        "file": lambda: out.write_text("mine"),
        "pipe": lambda: os.mkfifo(out),
    }
    make[what]()
    before = out.lstat()
    said = refused(capsys, *WRITES[verb], str(out / "prepared.jsonl" if verb == "prepare" else out))
    assert str(out) in said
    assert (out.lstat().st_mode, out.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert sorted(os.listdir(tmp_path)) == ["out"]


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
@pytest.mark.parametrize("verb", ["train", "evaluate", "report", "verify", "score", "waste", "show", "plan"])
def test_a_name_that_no_file_can_hold_is_refused(verb: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"plan": ["plan", "--model", name], "show": ["show", name, "--ask", "?"]}
    assert "is no text that a file can hold" in refused(capsys, *words.get(verb, [verb, name]))


@pytest.mark.parametrize("setting", ["model", "task", "template"])
def test_a_setting_that_no_file_can_hold_is_refused(setting: str) -> None:
    for value in ("a\0b", "a\udcffb"):
        with pytest.raises(UserError, match=f"setting {setting} = .* is no text"):
            resolve({"model": "m", "task": "arithmetic", **{setting: value}})


RECIPES = {
    "UTF-16": ('model = "m"\n'.encode("utf-16"), "is not UTF-8"),
    "deep": (b"a = " + b"[" * 5000 + b"]" * 5000, "is nested too deeply"),
    "binary": (bytes(range(256)), "is not UTF-8"),
    "torn": (b'model = "m', "is not valid TOML"),
    "NUL": (b'model = "a\\u0000b"\ntask = "arithmetic"\n', "is no text that a file can hold"),
    "digits": (b"seed = " + b"1" * 5000, "is not valid TOML"),
}


@pytest.mark.parametrize("what", RECIPES)
def test_a_recipe_that_is_none_is_one_sentence(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, reason = RECIPES[what]
    (tmp_path / "mine.toml").write_bytes(content)
    assert reason in refused(capsys, "train", str(tmp_path / "mine.toml"))
    if what not in ("NUL", "digits"):
        assert reason in refused(capsys, "evaluate", "m", "--suite", str(tmp_path / "mine.toml"))


@pytest.mark.slow
def test_a_value_of_set_may_not_be_nested_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nested too deeply" in refused(capsys, "train", "tiny", "--set", "run.steps=" + "[" * 5000)


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_bytes(b'\xef\xbb\xbfmodel = "nowhere"\ntask = "arithmetic"\n')
    assert "there is no model at nowhere" in refused(capsys, "train", str(tmp_path / "mine.toml"))
