"""`tersely waste`: a log that people have already, in; shares, cost and the worst responses, out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tersely.cli import main
from tiny_models import make_model_folder

LONG = "1+1 is 2. Wait, let me check that again: one and one more makes 2, so \\boxed{2}"


def log(path: Path, *rows: dict[str, Any]) -> Path:
    filled = [{"problem": f"What is 1+1 ({i})?", "answer": "2", "response": LONG, **row} for i, row in enumerate(rows)]
    path.write_text("".join(json.dumps(row) + "\n" for row in filled), encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["waste", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_a_log_is_read_judged_and_priced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path / "log.jsonl", {"tokens": 1000, "difficulty": "easy"}, {"tokens": 3000, "difficulty": "hard"})
    out = said(capsys, path, "--price", "2", "--responses-per-day", "1000")
    assert "difficulty easy" in out
    assert "100.0" in out  # both are right
    assert "A month at 1,000 responses a day, 2 a million tokens: 120.00, of it 1" in out
    assert "approximate" not in out
    assert "may be worth its tokens" in out
    assert "3000" in out


def test_without_tokens_they_are_estimated_and_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, log(tmp_path / "log.jsonl", {}, {}))
    assert "Tokens are approximate: one for 4 characters" in out
    assert "A month" not in out


def test_a_tokenizer_counts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_model_folder(tmp_path / "model")
    out = said(capsys, log(tmp_path / "log.jsonl", {}, {}), "--tokenizer", model or tmp_path / "model")
    assert "the text encoded again" in out


def test_an_unfinished_response_is_never_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"finish": "length"}, {"finish_reason": "max_tokens"}]
    out = said(capsys, log(tmp_path / "log.jsonl", *({**row, "tokens": 20} for row in rows)))
    cells = [cell.strip() for line in out.splitlines() if line.startswith("│ all") for cell in line.split("│")]
    assert cells[1:] == ["all", "2", "0", "20.0", "0", "0", "100.0", "100.0", ""]


def test_the_responses_of_an_evaluation_are_such_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"problem": None, "question": "What is 1+1?", "response": None, "text": LONG, "sample": 0, "tokens": 9}
    assert "Responses that spend most" in said(capsys, log(tmp_path / "responses.jsonl", row, {"tokens": 9}))


def counted(out: str) -> str:
    """Responses on the line of all of them."""
    return next(line.split("│")[2].strip() for line in out.splitlines() if line.startswith("│ all"))


def test_a_response_that_was_judged_again_is_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"problem": None, "question": "What is 1+1?", "response": None, "text": LONG, "tokens": 9, "problem_id": "a"}
    first = {**row, "sample": 0, "status": "unjudged", "outside": True}
    again = {**row, "sample": 0, "status": "correct", "tokens": 8}
    assert counted(said(capsys, log(tmp_path / "1.jsonl", first, {**row, "sample": 1}, again))) == "2"
    # Twice of the same number, and neither judged again: what two models answered.
    assert counted(said(capsys, log(tmp_path / "2.jsonl", again, again))) == "2"
    # What is unjudged again waits for the next try.
    assert counted(said(capsys, log(tmp_path / "3.jsonl", first, first, again, {**row, "sample": 1}))) == "2"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"response": None}, "line 1: no 'response' field"),
        ({"response": 5}, "line 1: 'response' must be text"),
        ({"tokens": 0}, "line 1: 'tokens' is 0: it must be a whole number of at least 1"),
        ({"tokens": True}, "line 1: 'tokens' is True"),
        ({"finish": "stopp"}, "unexpected finish_reason 'stopp' (did you mean 'stop'?)"),
        ({"answer": None}, "line 1: no 'answer' field"),
    ],
)
def test_lines_that_cannot_be_used_are_named(
    row: dict[str, Any], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["waste", str(log(tmp_path / "log.jsonl", row))]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["--price", "--responses-per-day"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["waste", str(log(tmp_path / "log.jsonl", {})), f"{option}={value}"]) == 2
    assert "it must be above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_it_loads_no_torch(tmp_path: Path) -> None:
    path = log(tmp_path / "log.jsonl", {}, {})
    code = f"import sys; from tersely.cli import main; main(['waste', {str(path)!r}]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
