"""The check of every line and file: one that was changed, moved, repeated or lost is seen; old ones are read."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from run_files import content_of, rewrite, without_checks
from tersely.errors import StorageError, TerselyError
from tersely.records import Json
from tersely.runs.folder import RunFolder, read_config, read_done
from tersely.runs.json_file import read_json
from tersely.runs.kinds import RunKind
from tersely.runs.logs import read_log

LINES: Sequence[Json] = [{"a": 1.25, "text": "é\n} \ud800"}, {}, {"a": 2, "b": [None, {"check": "x"}]}, {"a": 3}]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An evaluation with four responses, finished."""
    path = tmp_path / "run"
    with RunFolder.open(path, RunKind.EVALUATION, {"seed": 1}) as folder:
        folder.append("responses", LINES[:2])
    with RunFolder.open(path, RunKind.EVALUATION, {"seed": 1}) as folder:
        folder.append("responses", LINES[2:3])
        folder.append("responses", LINES[3:])
        folder.mark_done({"responses": 4})
    return path


def unfinished(run: Path) -> Path:
    (run / "done.json").unlink()
    return run / "responses.jsonl"


def test_what_was_written_is_read_without_checks(run: Path) -> None:
    assert read_log(run / "responses.jsonl") == LINES
    assert read_done(run) == {"responses": 4}
    assert read_config(run) == {"seed": 1}
    lines = [json.loads(line) for line in (run / "responses.jsonl").read_bytes().splitlines()]
    assert all(list(line)[-1] == "check" and len(line["check"]) == 10 for line in lines)
    assert content_of(run / "sealed.json") == {"responses": {"lines": 4, "check": lines[-1]["check"]}}


def test_the_same_lines_have_the_same_bytes_however_they_were_cut(run: Path, tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "straight", RunKind.EVALUATION, {"seed": 2}) as folder:
        folder.append("responses", LINES)
    assert (tmp_path / "straight/responses.jsonl").read_bytes() == (run / "responses.jsonl").read_bytes()


def test_a_field_of_that_name_is_refused_before_anything_is_written(run: Path) -> None:
    with RunFolder.open(run, RunKind.EVALUATION, {"seed": 1}) as folder, pytest.raises(ValueError, match="'check'"):
        folder.append("responses", [{"check": "mine"}])
    assert len(read_log(run / "responses.jsonl")) == 4


Lines = list[bytes]
DAMAGE: dict[str, tuple[Callable[[Lines], Lines], int]] = {
    "a digit": (lambda lines: [lines[0].replace(b"1.25", b"1.35"), *lines[1:]], 1),
    "a letter of a key": (lambda lines: [*lines[:2], lines[2].replace(b'"a"', b'"c"'), lines[3]], 3),
    "a digit of a check": (lambda lines: [lines[0][:-3] + (b"0" if lines[0][-3:-2] != b"0" else b"1") + b'"}'], 1),
    "the name of the check": (lambda lines: [*lines[:3], lines[3].replace(b"check", b"chock")], 4),
    "the name of the first check": (lambda lines: [lines[0].replace(b"check", b"chock")], 1),
    "a line is lost": (lambda lines: [lines[0], *lines[2:]], 2),
    "the first line is lost": (lambda lines: lines[1:], 1),
    "a line stands twice": (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
    "the last line stands twice": (lambda lines: [*lines, lines[3]], 5),
    "two lines are swapped": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
    "zeros": (lambda lines: [*lines[:2], b"\0" * len(lines[2]), lines[3]], 3),
    "two lines are one": (lambda lines: [lines[0], lines[1] + b"\x0b" + lines[2], lines[3]], 2),
}
"""What happens to the lines, and the line that is named."""


@pytest.mark.parametrize(("damage", "line"), DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("is_finished", [True, False])
def test_a_damaged_line_is_named_with_what_to_do(
    run: Path, damage: Callable[[Lines], Lines], line: int, is_finished: bool
) -> None:
    log = run / "responses.jsonl" if is_finished else unfinished(run)
    whole = log.read_bytes().splitlines()
    log.write_bytes(b"\n".join(damage(whole)) + b"\n")
    with pytest.raises(StorageError) as caught:
        read_log(log)
    assert str(caught.value).startswith(f"{log}, line {line}: ")
    assert f"(head -n {line - 1}), remove done.json, and run its command again" in str(caught.value)


def test_doing_what_the_sentence_says_mends_the_log(run: Path) -> None:
    log = unfinished(run)
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], lines[1].replace(b"check", b"Check"), *lines[2:]]))
    with pytest.raises(StorageError, match="line 2: has lost its check"):
        read_log(log)
    with RunFolder.open(run, RunKind.EVALUATION, {"seed": 1}) as folder, pytest.raises(StorageError, match="line 2"):
        folder.append("responses", [{"a": 4}])
    log.write_bytes(lines[0])
    with RunFolder.open(run, RunKind.EVALUATION, {"seed": 1}) as folder:
        folder.append("responses", LINES[1:])
    assert log.read_bytes() == whole


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_finished_work_misses_its_last_lines_and_unfinished_work_does_not(run: Path, cut: int) -> None:
    log = run / "responses.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:cut]))
    with pytest.raises(StorageError, match=rf"line {cut + 1}: missing: 4 lines were there when done.json was written"):
        read_log(log)
    unfinished(run)
    assert read_log(log) == LINES[:cut]


def test_a_torn_last_line_is_lost_from_finished_work_and_redone_in_other(run: Path) -> None:
    log = run / "responses.jsonl"
    log.write_bytes(log.read_bytes()[:-1])
    with pytest.raises(StorageError, match="line 4: missing"):
        read_log(log)
    unfinished(run)
    assert read_log(log, allow_torn=True) == LINES[:3]
    with RunFolder.open(run, RunKind.EVALUATION, {"seed": 1}) as folder:
        folder.append("responses", LINES[3:])
    assert read_log(log) == LINES


def test_finished_work_may_grow_and_its_seal_still_holds(run: Path) -> None:
    with RunFolder.open(run, RunKind.EVALUATION, {"seed": 1}) as folder:
        folder.append("responses", [{"a": 4}])
    assert len(read_log(run / "responses.jsonl")) == 5


def test_a_log_of_other_work_does_not_fit_the_seal(run: Path, tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "other", RunKind.EVALUATION, {"seed": 1}) as folder:
        folder.append("responses", [{"a": 9}, *LINES[1:]])
    shutil.copy(tmp_path / "other/responses.jsonl", run / "responses.jsonl")
    with pytest.raises(StorageError, match=r"line 4: not as it was when done.json was written"):
        read_log(run / "responses.jsonl")


@pytest.mark.parametrize("name", ["done.json", "config.json", "sealed.json"])
def test_no_bit_of_a_file_can_change_unseen(run: Path, name: str) -> None:
    """Every bit of the file in turn: refused, or what is read is what was written."""
    path = run / name
    whole, wanted = path.read_bytes(), read_json(path, "a file")
    for place in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with contextlib.suppress(StorageError):
                assert read_json(path, "a file") == wanted, (place, bit)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.long)])
def test_no_cut_out_of_a_file_leaves_another_one(run: Path, stride: int) -> None:
    """A stretch lost from the middle can leave JSON whose check went with it."""
    path = run / "config.json"
    whole, wanted = path.read_bytes(), read_config(run)
    for first in range(len(whole)):
        for last in range(first + 1, len(whole), stride):
            path.write_bytes(whole[:first] + whole[last:])
            with contextlib.suppress(TerselyError):
                assert read_config(run) == wanted, (first, last)


def test_a_file_of_a_checked_folder_must_bear_its_check(run: Path) -> None:
    (run / "done.json").write_text('{"responses": 5}')
    with pytest.raises(StorageError, match=r"done.json .*it has lost its check; remove it and run the same command"):
        read_done(run)


def test_a_damaged_configuration_is_no_stranger_s(run: Path) -> None:
    path = run / "config.json"
    path.write_bytes(path.read_bytes().replace(b'"kind"', b'"kine"'))
    with pytest.raises(StorageError, match=r"config.json cannot be read as the configuration of a run: its check"):
        RunFolder.open(run, RunKind.EVALUATION, {"seed": 1})


def test_what_earlier_versions_left_is_read_and_gone_on_with(run: Path) -> None:
    log = unfinished(run)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
    without_checks(run)
    assert b"check" not in log.read_bytes() + (run / "config.json").read_bytes()
    assert read_log(log) == LINES[:2]
    with RunFolder.open(run, RunKind.EVALUATION, {"seed": 1}) as folder:
        assert any("bear no checks" in warning for warning in folder.warnings)
        folder.append("responses", LINES[2:])
        folder.mark_done({"responses": 4})
    assert read_log(run / "responses.jsonl") == LINES
    text = (run / "responses.jsonl").read_text()
    (run / "responses.jsonl").write_text(text.replace("1.25", "1.35"))
    with pytest.raises(StorageError, match="line 3: its check does not fit: it was changed, or lines before it were"):
        read_log(run / "responses.jsonl")


def test_a_training_run_does_not_go_on_from_a_damaged_journal(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with RunFolder.open(path, RunKind.TRAIN, {}) as folder:
        folder.append("journal", [{"step": 1}, {"step": 2}])
        folder.save(2, lambda place: None, {})
        folder.append("journal", [{"step": 3}])
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (path / "journal.jsonl").write_bytes(b"".join(lines[:2]) + lines[2].replace(b"3", b"4"))
    with RunFolder.open(path, RunKind.TRAIN, {}) as folder:
        folder.rewind(folder.latest())  # what is cut away may be damaged
    for last in (lines[1][:-1] + b"\0", lines[1][:-1] + b"\0" + lines[2]):  # its newline is lost, and maybe more came
        (path / "journal.jsonl").write_bytes(lines[0] + last)
        with RunFolder.open(path, RunKind.TRAIN, {}) as folder, pytest.raises(StorageError, match="line 2: has lost"):
            folder.rewind(folder.latest())
    (path / "journal.jsonl").write_bytes(lines[0].replace(b"1", b"2") + lines[1])
    with RunFolder.open(path, RunKind.TRAIN, {}) as folder, pytest.raises(StorageError, match="line 1: its check"):
        folder.rewind(folder.latest())


def test_random_damage_of_any_file_is_seen_or_changes_nothing(run: Path) -> None:
    """A small seeded share of what scripts/soak does to every kind of folder."""
    rng = random.Random(0)
    wanted = (read_log(run / "responses.jsonl"), read_done(run), read_config(run))
    for _ in range(300):
        path = run / rng.choice(["responses.jsonl", "done.json", "config.json", "sealed.json"])
        whole = path.read_bytes()
        first = rng.randrange(len(whole))
        last = rng.randrange(first, len(whole)) + 1
        path.write_bytes(whole[:first] + rng.choice([b"", bytes(last - first), rng.randbytes(1)]) + whole[last:])
        with contextlib.suppress(TerselyError):
            assert (read_log(run / "responses.jsonl"), read_done(run), read_config(run)) == wanted
        path.write_bytes(whole)
    rewrite(run / "config.json", config={"seed": 2})
    assert read_config(run) == {"seed": 2}
