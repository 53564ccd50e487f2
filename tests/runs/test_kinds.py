"""Kinds of run folders: each holds its own logs, and a folder that names others was changed by somebody else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from parsing import parse
from run_files import content_of, rewrite
from tersely.errors import UserError
from tersely.runs import manifest
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import LOGS, Log, RunKind, logs_of

SRC = Path(__file__).parents[2] / "src/tersely"


def test_every_kind_says_what_it_writes_and_every_log_is_written_by_a_kind() -> None:
    assert set(LOGS) == set(RunKind)
    assert frozenset().union(*LOGS.values()) == set(Log)
    assert logs_of("of a later version") == set(Log)


@pytest.mark.parametrize("kind", RunKind)
def test_a_run_writes_the_logs_of_its_kind_and_no_others(tmp_path: Path, kind: RunKind) -> None:
    with RunFolder.open(tmp_path / "run", kind, {}) as run:
        for log in Log:
            if log in LOGS[kind]:
                run.append(log, [{"step": 1}])
                continue
            with pytest.raises(ValueError, match=f"no name for a log of a {kind} run"):
                run.append(log, [{"step": 1}])
    assert content_of(tmp_path / "run/config.json")["kind"] == kind.value
    assert {path.stem for path in (tmp_path / "run").glob("*.jsonl")} == LOGS[kind]


def test_a_log_of_another_kind_is_not_cut_whoever_names_it(tmp_path: Path) -> None:
    """An evaluation has responses; a training run that names them would cut a user's file."""
    path = tmp_path / "run"
    with RunFolder.open(path, RunKind.TRAIN, {}) as run:
        run.append(Log.JOURNAL, [{"step": 1}])
        run.save(1, lambda folder: None, {})
    (path / "responses.jsonl").write_text('{"precious": 1}\n')
    rewrite(path / "config.json", logs=["journal", "responses"])
    with pytest.raises(UserError, match='names "responses" among its logs'):
        RunFolder.open(path, RunKind.TRAIN, {})
    rewrite(path / "config.json", logs=["journal"])
    newest = path / "checkpoints/step-000001"
    (newest / "state.json").write_text('{"step": 1, "state": {}, "logs": {"responses.jsonl": 0}}')
    (newest / "MANIFEST.json").unlink()
    manifest.seal(newest, 1)
    with RunFolder.open(path, RunKind.TRAIN, {}) as run, pytest.raises(UserError, match="lengths of tersely's logs"):
        run.latest()
    assert (path / "responses.jsonl").read_text() == '{"precious": 1}\n'


@pytest.mark.slow
def test_no_command_opens_a_run_folder_under_a_bare_name() -> None:
    opened = []
    sources = [path.read_text(encoding="utf-8") for path in SRC.rglob("*.py")]
    for source in (source for source in sources if "RunFolder" in source):
        for node in ast.walk(parse(source)):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") == "open"
                and ast.unparse(node.func) == "RunFolder.open"
            ):
                opened.append(ast.unparse(node.args[1]))
    assert len(opened) >= len(RunKind)
    # An earlier measurement is opened as of the kind that it was found to be.
    assert {f"RunKind.{kind.name}" for kind in RunKind} == set(opened) - {"self.kind"}
