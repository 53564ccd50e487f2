"""`tersely import`: what later commands make of logs, and what is refused before anything is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from logs import INSPECT, changed, imported
from tersely.cli import main
from tersely.evaluation.as_logged import AsLogged
from tersely.evaluation.records import read_evaluation
from tersely.records import LengthSource
from tiny_models import make_model_folder


def said(capsys: pytest.CaptureFixture[str], code: int, *words: str | Path) -> str:
    assert main([*map(str, words)]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def test_two_logs_of_one_task_are_paired_by_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, 0, "import", INSPECT / "base.eval", INSPECT / "short.eval", "--out", tmp_path)
    row = next(line for line in out.splitlines() if line.startswith("│ sums-short"))
    assert "+12.5 [" in row
    assert "60.6" in row
    assert f"evaluation: {tmp_path / 'sums-short-9-0.8' / 'sums'}" in out


@pytest.mark.slow
def test_an_effort_is_a_model_of_its_own_on_the_frontier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path / "ev", *(INSPECT / f"{name}.eval" for name in ("base", "short", "low")))
    folders = sorted((tmp_path / "ev").iterdir())
    assert [f.name for f in folders] == ["sums-base-40-0.8", "sums-base-9-0.6-reasoning_effort=low", "sums-short-9-0.8"]
    out = said(capsys, 0, "compare", *folders, "--base", folders[0], "--out", tmp_path / "page")
    assert "60.6 % fewer tokens" in out
    assert "sums-base-9-0.6-reasoning_effort=low" in out
    assert "AES" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("other_cap", "max_new_tokens"),
        ("next_version", "task_version"),
        ("other_prompt", "template"),
        ("other_problems", "task_sha256"),
    ],
)
def test_logs_of_another_kind_are_refused_or_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, key: str
) -> None:
    base, other = tmp_path / "sums-base-40-0.8", tmp_path / "other"
    said(capsys, 0, "import", INSPECT / "base.eval", "--out", tmp_path)
    said(capsys, 0, "import", INSPECT / f"{name}.eval", "--out", tmp_path, "--name", "other")
    asked = ["compare", base, other, "--base", base, "--out", tmp_path / "page"]
    assert f"was evaluated under another {key}" in said(capsys, 2, *asked)
    out = said(capsys, 0, *asked, "--allow-mixed")
    assert "shown and compared with nothing: other ‡ " in out


def test_what_cannot_be_paired_stands_in_a_table_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, 0, "import", INSPECT / "base.eval", INSPECT / "next_version.eval", "--out", tmp_path)
    assert "is compared with nothing: the two evaluations used different protocols (task_version '1' and '2')" in out


def test_waste_reads_what_was_imported_with_the_log_s_own_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(tmp_path, lambda log: [sample.update(target="") for sample in log["samples"]])
    (found,) = imported(tmp_path / "ev", path)
    capsys.readouterr()
    out = said(capsys, 0, "waste", found.path)
    assert "75.0" in out  # six of eight: no gold answer is there to judge by
    assert "Tokens are" not in out


def test_the_same_log_again_changes_nothing_and_another_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(tmp_path / "ev", INSPECT / "base.eval")
    before = {p: p.read_bytes() for p in (tmp_path / "ev").rglob("*") if p.is_file()}
    imported(tmp_path / "ev", INSPECT / "base.eval")
    assert {p: p.read_bytes() for p in (tmp_path / "ev").rglob("*") if p.is_file()} == before
    other = changed(tmp_path, lambda log: log["samples"][0]["output"]["usage"].update(output_tokens=1))
    assert "was made with another configuration: responses_sha256" in said(
        capsys, 2, "import", other, "--out", tmp_path / "ev"
    )


def test_an_import_that_was_stopped_is_gone_on_with(tmp_path: Path) -> None:
    (whole,) = imported(tmp_path / "ev", INSPECT / "base.eval")
    folder = tmp_path / "again" / "sums-base-40-0.8" / "sums"
    shutil.copytree(whole.path, folder)
    for name in ("done.json", "summary.json", "sealed.json"):
        (folder / name).unlink(missing_ok=True)
    lines = (folder / "responses.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "responses.jsonl").write_bytes(b"".join(lines[:3]))
    (again,) = imported(tmp_path / "again", INSPECT / "base.eval")
    assert again.responses() == whole.responses()
    assert (folder / "responses.jsonl").read_bytes().splitlines(keepends=True) == lines


def test_two_logs_of_one_name_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [INSPECT / "short.eval", INSPECT / "other_cap.eval"]
    assert "2 logs would be" in said(capsys, 2, "import", *both, "--out", tmp_path / "ev")
    assert not (tmp_path / "ev").exists()


def test_nothing_is_written_where_one_of_the_logs_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [INSPECT / "short.eval", INSPECT / "stopped.eval"]
    assert "finish it with inspect eval-retry first" in said(capsys, 2, "import", *both, "--out", tmp_path / "ev")
    assert not (tmp_path / "ev").exists()


def test_tokens_that_nobody_counted_are_counted_by_a_tokenizer_and_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_usage(log: dict[str, Any]) -> None:
        for sample in log["samples"]:
            sample["output"]["usage"], sample["model_usage"] = None, {}

    path, model = changed(tmp_path, no_usage), tmp_path / "model"
    make_model_folder(model)
    out = said(capsys, 0, "import", path, "--out", tmp_path / "ev", "--tokenizer", model)
    assert "tokens are approximate" in out
    (summary,) = (tmp_path / "ev").glob("*/*/summary.json")
    found = read_evaluation(summary.parent)
    assert found.length_source == "retokenised"
    assert {record.length_source for record in found.responses()} == {LengthSource.RETOKENISED}


def test_our_judge_takes_the_place_of_the_scores_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, 0, "import", INSPECT / "base.eval", "--judge", "--out", tmp_path)
    assert "judged here in place of its scorer 'includes', its own accuracy is 0.8750" in out
    (folder,) = (path.parent for path in tmp_path.glob("*/*/summary.json"))
    found = read_evaluation(folder)
    assert found.protocol.verifier is None
    assert sum(record.correct for record in found.responses()) == 6
    assert {record.extracted for record in found.responses() if record.correct} == {"42", "15", "111", "7"}


@pytest.mark.slow
def test_a_gold_that_our_judge_cannot_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(tmp_path, lambda log: [s.update(target=["six", "6"]) for s in log["samples"]])
    err = said(capsys, 2, "import", path, "--judge", "--out", tmp_path / "ev")
    assert "gold answers of the log cannot be judged: leave --judge out" in err


def test_what_a_log_said_is_read_back_or_refused(tmp_path: Path) -> None:
    (found,) = imported(tmp_path, INSPECT / "base.eval")
    assert found.as_logged is not None
    written = {**found.as_logged.to_json()}
    assert AsLogged.from_json(written) == found.as_logged
    for name, value in (("accuracy", "x"), ("unfinished", None), ("scorer", 7), ("made_by", None)):
        with pytest.raises(ValueError, match=f"{name} is "):
            AsLogged.from_json({**written, name: value})


def test_the_folder_says_what_made_it(tmp_path: Path) -> None:
    (found,) = imported(tmp_path, INSPECT / "base.eval")
    summary = json.loads((found.path / "summary.json").read_text(encoding="utf-8"))
    assert summary["log"]["made_by"].startswith("inspect_ai 0.3.")
    assert summary["protocol"]["model"] == "sums/base-40-0.8"
    assert summary["length_source"] == "usage"
