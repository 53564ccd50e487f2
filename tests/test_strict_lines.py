"""Every verb that reads a user's lines of JSON reads them by the same rules, and says one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tersely.cli import main

GOOD = '"group": "a", "correct": true, "length": 3, "problem": "1+1", "question": "1+1", "answer": "2", "gold": "2", '
GOOD += '"response": "\\\\boxed{2}"'

DEEP = 100_000
BAD = {
    "a key twice": ('"extra": 1, "extra": 2', "key 'extra' stands twice"),
    "NaN": ('"extra": NaN', "NaN is no JSON number"),
    "infinity": ('"extra": -Infinity', "-Infinity is no JSON number"),
    "1e999": ('"extra": 1e999', "1e999 is beyond what a 64-bit number holds"),
    "digits": (f'"extra": {"1" * 5000}', "not valid JSON"),
    "deep": ('"extra": ' + "[" * DEEP, "JSON nested too deeply"),
    "deep and closed": ('"extra": ' + "[" * DEEP + "]" * DEEP, "JSON nested too deeply"),
    "raw ESC": ('"extra\x1b": 1', "not valid JSON"),
    "torn": ('"', "not valid JSON"),
    "NUL": ("\x00", "NUL byte"),
}
"""What stands in a line beside what it needs."""
VERBS = {
    "score": ["score", "FILE", "--alpha", "0.1"],
    "verify": ["verify", "FILE"],
    "waste": ["waste", "FILE"],
    "prepare": ["prepare", "FILE", "--exclude", "none", "--out", "OUT.jsonl"],
}


def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> str:
    places = {"FILE": str(tmp_path / "in.jsonl"), "OUT.jsonl": str(tmp_path / "out.jsonl")}
    assert main([places.get(word, word) for word in VERBS[verb]]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("what", BAD)
def test_a_bad_line_is_one_sentence_with_its_place(
    what: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, reason = BAD[what]
    (tmp_path / "in.jsonl").write_text(f"{{{GOOD}}}\n{{{GOOD}, {line}}}\n", encoding="utf-8")
    found = said(capsys, tmp_path, verb)
    assert f"{tmp_path / 'in.jsonl'}:2: " in found
    assert reason in found
    assert len(found) < 400


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_one_sentence(
    content: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(content, encoding="utf-8")
    assert "is empty; it needs one JSON object a line" in said(capsys, tmp_path, verb)


@pytest.mark.parametrize("verb", VERBS)
def test_a_line_that_is_no_object_is_one_sentence(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text("[1]\n", encoding="utf-8")
    assert "a line must be one JSON object" in said(capsys, tmp_path, verb)
