"""Problem files: read whole or refused with the lines that are wrong. Also the JSON Lines reader below them."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tersely.errors import UserError
from tersely.jsonl import read_jsonl
from tersely.records import Kind, content_id
from tersely.tasks.sources.files import read_task_file

DATA = Path(os.environ.get("TERSELY_DATA", Path(__file__).parents[3] / "shared" / "data"))
ONE = {"problem": "What is 1+1?", "answer": "2"}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(*rows: dict[str, Any] | bytes, name: str = "mine.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"\n".join(r if isinstance(r, bytes) else json.dumps(r).encode() for r in rows))
        return path

    return to_file


# --- JSON Lines -------------------------------------------------------------------------------------------------


def test_jsonl_accepts_bom_crlf_blank_lines_and_no_final_newline(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": "x\xe2\x80\xa8y"}\n   \n{"a": 3}')
    assert read_jsonl(path) == [(1, {"a": 1}), (3, {"a": "x\u2028y"}), (5, {"a": 3})]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.jsonl is empty"),
        (b"\n \r\n", "a.jsonl is empty"),
        (b"\xef\xbb\xbf", "a.jsonl is empty"),
        (b'{"a": 1}\n{"a": ', r"a.jsonl:2: not valid JSON \(Expecting value at column 7\)"),
        (b'{"a": 1}\n{"a": 2} {"a": 3}', r"a.jsonl:2: not valid JSON \(Extra data"),
        (b"{'a': 1}", "a.jsonl:1: not valid JSON"),
        (b'{"a": 1}\n[1]', r"a.jsonl:2: a line must be one JSON object \{...\}, not an array"),
        (b'"a"', "not a string"),
        (b"3", "not a number"),
        (b"null", "not null"),
        (b"true", "not true or false"),
        (b'{"a": 1}\n{"a": "\xff"}', r"a.jsonl:2: not UTF-8 \(byte 0xff at offset 16\)"),
        (b'\xef\xbb\xbf{"a": "\xe9"}', r"a.jsonl:1: not UTF-8 \(byte 0xe9 at offset 10\)"),
        (b'{"a": 1}\r\n{"a": "\xff"}', r"a.jsonl:2: not UTF-8 \(byte 0xff at offset 17\)"),
        (b'{"a": 1}\n\x00\x00', "a.jsonl:2: NUL byte at offset 9"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": 1e999}', "1e999 is beyond"),
        (b'{"a": 1, "b": 2, "a": 3}', "key 'a' stands twice"),
        (b'{"a": ' + b"[" * 200_000, "a.jsonl:1: JSON nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a.jsonl:1: not valid JSON"),
        ('{"a": 1}'.encode("utf-16"), "a.jsonl is UTF-16; save it as UTF-8"),
        (b"\x1f\x8b\x08\x00", "gzip-compressed; unpack"),
    ],
)
def test_jsonl_refuses_with_file_and_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_jsonl(path)


def test_jsonl_takes_a_lone_carriage_return_for_the_white_space_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":\r1}\n{"a": 2}\n')
    assert read_jsonl(path) == [(1, {"a": 1}), (2, {"a": 2})]


def test_jsonl_says_missing_with_the_nearest_name_and_says_folder(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}")
    with pytest.raises(UserError, match=r"no file .*trian\.jsonl \(did you mean 'train\.jsonl'\?\)"):
        read_jsonl(tmp_path / "trian.jsonl")
    with pytest.raises(UserError, match=r"nor a folder"):
        read_jsonl(tmp_path / "nowhere" / "train.jsonl")
    with pytest.raises(UserError, match="is a folder"):
        read_jsonl(tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        read_jsonl("a\x00b")
    with pytest.raises(UserError, match=r"cannot read .*Not a directory"):
        read_jsonl(tmp_path / "train.jsonl" / "deeper.jsonl")


def test_jsonl_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": "\xc3\xa9"}\n'), encoding="latin-1"))
    assert read_jsonl("-") == [(1, {"a": "é"})]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"nope")))
    with pytest.raises(UserError, match="standard input:1: not valid JSON"):
        read_jsonl("-")


# --- problems ---------------------------------------------------------------------------------------------------


def test_plain_row_becomes_a_math_problem_named_by_its_content(write: Any) -> None:
    (problem,) = read_task_file(write(ONE | {"id": "theirs", "extra": [1]}), split="test")
    assert problem.id == content_id("What is 1+1?", "2")
    assert (problem.question, problem.answer, problem.kind) == ("What is 1+1?", "2", Kind.MATH)
    assert (problem.source, problem.difficulty, problem.split) == ("mine", None, "test")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"level": 5}, "5"), ({"difficulty": 4.0}, "4"),
        ({"difficulty": 1.5}, "1.5"), ({"level": "Level 5"}, "Level 5"),
        ({"difficulty": "hard", "level": 1}, "hard"), ({"difficulty": None, "level": 2}, "2"), ({"level": ""}, None),
    ],
)  # fmt: skip
def test_difficulty_becomes_a_label(write: Any, more: dict[str, Any], expected: str | None) -> None:
    assert read_task_file(write(ONE | more))[0].difficulty == expected


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"kind": "exact"}, Kind.EXACT), ({"kind": "Math"}, Kind.MATH), ({"answer_type": "fraction"}, Kind.MATH),
        ({"answer_type": "integer", "kind": "exact"}, Kind.EXACT), ({"kind": None, "answer_type": "text"}, Kind.EXACT),
    ],
)  # fmt: skip
def test_kind_is_read_from_kind_or_answer_type(write: Any, more: dict[str, Any], kind: Kind) -> None:
    assert read_task_file(write(ONE | more))[0].kind is kind


def test_choices_are_appended_to_the_question(write: Any) -> None:
    row = {"question": "Wet?", "answer": "B", "choices": {"A": "sand", "B": "water", "C": 7}}
    (problem,) = read_task_file(write(row))
    assert problem.kind == Kind.CHOICE
    assert problem.question == "Wet?\n(A) sand\n(B) water\n(C) 7"
    assert problem.id == content_id(problem.question, "B")


def test_choice_may_carry_its_options_in_the_question(write: Any) -> None:
    (problem,) = read_task_file(write({"question": "A. 1 B. 2?", "answer": "B", "answer_type": "choice"}))
    assert (problem.kind, problem.question) == (Kind.CHOICE, "A. 1 B. 2?")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "2"}, "line 2: no 'problem' or 'question' field"),
        ({"problem": "x?", "anwser": "2"}, r"line 2: no 'answer' field \(did you mean 'anwser'\?\)"),
        ({"problem": "x?", "answer": None}, "no 'answer' field"),
        ({"problem": "x?", "answer": "  \n"}, "line 2: 'answer' is empty"),
        ({"problem": "", "answer": "2"}, "'problem' is empty"),
        ({"problem": "x?", "answer": ["2"]}, "'answer' must be text or a number, not list"),
        ({"problem": "x?", "answer": True}, "'answer' must be text or a number, not bool"),
        ({"problem": "x?", "question": "y?", "answer": "2"}, "'problem' and 'question' differ"),
        ({"problem": "x?\ud800", "answer": "2"}, "half a surrogate"),
        ({"problem": "x?\x00", "answer": "2"}, "NUL"),
        ({"problem": "x?", "answer": "2", "kind": "choise"}, "unknown kind 'choise'.*did you mean 'choice'"),
        ({"problem": "x?", "answer": "2", "answer_type": "proof"}, "unknown answer_type 'proof'; choose one of"),
        ({"problem": "x?", "answer": "2", "kind": "choice"}, "must be its letter A to Z, not '2'"),
        ({"problem": "x?", "answer": "C", "choices": {"A": "1", "B": "2"}}, "answer 'C' is none of the choices A, B"),
        ({"problem": "x?", "answer": "A", "choices": {"A": "1"}}, "at least two letters"),
        ({"problem": "x?", "answer": "A", "choices": ["1", "2"]}, "'choices' must map"),
        ({"problem": "x?", "answer": "A", "choices": {"A": "1", "b)": "2"}}, "single letters A to Z, not 'b\\)'"),
        ({"problem": "x?", "answer": "A", "choices": {"A": "1", "B": " "}}, "'B' is empty"),
        ({"problem": "x?", "answer": "2", "level": [1]}, "'level' must be text or a number"),
    ],
)
def test_row_that_is_no_problem_is_refused_with_its_line(write: Any, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_task_file(write(ONE, row))


def test_all_faulty_rows_are_counted_and_five_are_shown(write: Any) -> None:
    path = write(ONE, *[{"problem": f"q{i}", "answer": ""} for i in range(7)])
    with pytest.raises(
        UserError, match=r"mine\.jsonl: 7 of 8 lines.*line 2: .*line 6: [^;]*; and 2 more: line 7, line 8$"
    ):
        read_task_file(path)


def test_same_problem_twice_is_refused_with_both_lines(write: Any) -> None:
    spaced = {"question": " What  is\n1+1? ", "answer": "2 "}
    with pytest.raises(UserError, match=r"1 duplicate problems.*line 4: the same problem as line 1$"):
        read_task_file(write(ONE, b"", {"problem": "What is 1+2?", "answer": "3"}, spaced))


def test_one_question_with_two_answers_is_refused_with_both_lines(write: Any) -> None:
    other = {"problem": "What is 1+1?", "answer": "3"}
    with pytest.raises(UserError, match="line 2: answer '3', but '2' to the same question on line 1"):
        read_task_file(write(ONE, other))


def test_same_words_with_other_choices_are_another_problem(write: Any) -> None:
    first = {"problem": "Which?", "answer": "A", "choices": {"A": "1", "B": "2"}}
    assert len(read_task_file(write(first, first | {"choices": {"A": "3", "B": "4"}}))) == 2


def test_golds_that_cannot_be_read_are_counted_and_five_are_shown(write: Any) -> None:
    path = write(ONE, *[{"problem": f"q{i}", "answer": f"bad{i}"} for i in range(6)])

    def check(golds: Sequence[tuple[str, Kind]]) -> list[str | None]:
        return [None if answer.isdigit() and kind == Kind.MATH else "not a number" for answer, kind in golds]

    with pytest.raises(
        UserError, match=r"6 of 7 gold answers.*line 2: 'bad0' \(not a number\);.*line 6: 'bad4'.*and 1 more: line 7$"
    ):
        read_task_file(path, check_golds=check)
    assert len(read_task_file(write(ONE), check_golds=check)) == 1


def test_numbers_are_taken_as_answers(write: Any) -> None:
    path = write({"problem": "a", "answer": 5}, {"problem": "b", "answer": -2.0}, {"problem": "c", "answer": 0.25})
    assert [problem.answer for problem in read_task_file(path)] == ["5", "-2", "0.25"]


@pytest.mark.parametrize(
    ("name", "count", "kind"),
    [("gsm8k_train", 7473, Kind.MATH), ("commonsenseqa_dev", 1221, Kind.CHOICE), ("math500", 500, Kind.MATH)],
)
def test_real_sets_load_whole(name: str, count: int, kind: Kind) -> None:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("set TERSELY_DATA to a folder with the public sets")
    problems = read_task_file(path)
    assert len(problems) == len({problem.id for problem in problems}) == count
    assert {problem.kind for problem in problems} == {kind}
