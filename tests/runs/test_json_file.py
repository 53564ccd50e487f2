"""JSON files of a run folder that are torn, changed by hand or another's: one sentence, never a traceback."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.errors import StorageError, UserError
from tersely.records import Json, Kind, Problem
from tersely.runs import manifest
from tersely.runs.folder import RunFolder, read_done
from tersely.runs.json_file import read_json, read_record
from tersely.runs.kinds import RunKind
from tersely.tasks.overlap import refuse_trained_on
from tiny_models import make_model_folder, make_task

DAMAGED = {
    "empty": b"",
    "torn": b'{"problem_ids": ["a',
    "not UTF-8": b'{"problem_ids": "\xff"}',
    "an array": b"[1, 2]",
    "null": b"null",
    "too deep": b"[" * 100_000,
    "binary": b"\x00\x01\x02",
}
PROBLEMS = [Problem("a", "1 + 1?", "2", Kind.MATH, "toy")]


@dataclass(frozen=True)
class Pair:
    """A record as the rooms have them."""

    left: int
    right: str

    @classmethod
    def from_json(cls, content: Json) -> Pair:
        return cls(int(content["left"]), content["right"].strip())


def one_sentence(error: Exception, path: Path) -> str:
    text = str(error)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_named_with_the_reason_and_the_cure(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "probe.json"
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        read_json(path, "the sample of the base", "remove it and run the same command again")
    said = one_sentence(caught.value, path)
    assert "cannot be read as the sample of the base: " in said
    assert said.endswith("remove it and run the same command again")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.json cannot be read as a pair: no such file or directory"):
        read_json(tmp_path / "none.json", "a pair")
    with pytest.raises(StorageError, match="is a directory"):
        read_json(tmp_path, "a pair")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"left": 1}, "the field 'right' is missing"),
        ({"left": "one", "right": "r"}, "'one' is no number"),
        ({"left": None, "right": "r"}, "a field has another form"),
        ({"left": 1, "right": 2}, "a field has another form"),
    ],
)
def test_a_record_with_other_fields_is_refused_like_a_damaged_file(
    tmp_path: Path, content: dict[str, object], reason: str
) -> None:
    path = tmp_path / "pair.json"
    path.write_text(json.dumps(content))
    with pytest.raises(StorageError) as caught:
        read_record(path, "a pair", Pair.from_json)
    assert f"cannot be read as a pair: {reason}" in one_sentence(caught.value, path)


def test_a_whole_record_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pair.json"
    path.write_text('{"left": 3, "right": " r "}')
    assert read_record(path, "a pair", Pair.from_json) == Pair(3, "r")


# ---- where they are read


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_word_of_finished_work_is_not_taken_for_unfinished_work(tmp_path: Path, content: bytes) -> None:
    with RunFolder.open(tmp_path / "run", RunKind.BASE, {}) as run:
        (run.path / "done.json").write_bytes(content)
        for read in (lambda: run.done, lambda: run.read_done(Pair.from_json), lambda: read_done(run.path)):
            with pytest.raises(StorageError, match="remove it and run the same command again") as caught:
                read()
            one_sentence(caught.value, run.path / "done.json")


@pytest.mark.parametrize(
    "content", [*DAMAGED.values(), b"{}", b'{"problem_ids": 3}', b'{"problem_ids": [[1]]}', b'{"problem_ids": "abc"}']
)
def test_problems_that_cannot_be_looked_up_never_pass_for_disjoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trained_on.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="the problems that a run was trained on") as caught:
        refuse_trained_on(tmp_path, PROBLEMS, allow=False)
    one_sentence(caught.value, path)
    refuse_trained_on(tmp_path, PROBLEMS, allow=True)


def test_a_state_that_is_not_of_this_kind_is_refused_whoever_sealed_it(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", RunKind.BASE, {}) as run:
        run.save(1, lambda folder: None, {"left": 1, "right": "r"})
        found = run.latest()
        assert found is not None
        assert found.read_state(Pair.from_json) == Pair(1, "r")
        (found.path / "state.json").write_text('{"step": 1, "state": {"left": []}, "logs": {}}')
        (found.path / "MANIFEST.json").unlink()
        manifest.seal(found.path, 1)
        found = run.latest()
        assert found is not None
        with pytest.raises(UserError, match="name another folder") as caught:
            found.read_state(Pair.from_json)
        one_sentence(caught.value, found.path / "state.json")


def test_commands_end_with_one_line_and_the_code_of_a_damaged_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task(tmp_path / "task.jsonl", 2)
    with RunFolder.open(tmp_path / "run", RunKind.TRAIN, {}) as run:
        run.save(1, lambda folder: make_model_folder(folder) and None, {})
    (tmp_path / "run/trained_on.json").write_text("{")
    arguments = ["--task", str(tmp_path / "task.jsonl"), "--k", "1", "--max-new-tokens", "4", "--template", "question"]
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), *arguments]) == 4
    assert "trained_on.json cannot be read" in capsys.readouterr().err
    (tmp_path / "run/trained_on.json").unlink()
    with RunFolder.open(tmp_path / "samples", RunKind.SAMPLES, {"model": "m"}) as run:
        (run.path / "done.json").write_text("[]")
    learn = ["--learning-rate", "1", "--out", str(tmp_path / "out")]
    assert main(["baseline", "sft", "--samples", str(tmp_path / "samples"), *learn]) == 2
    said = capsys.readouterr().err
    assert "does not say 'model_sha256' of its samples" in said
    assert len(said.strip().splitlines()) == 1
