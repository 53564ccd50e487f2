"""A task file says by a column that its problems were put together in exact shares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tersely.errors import UserError
from tersely.tasks.sources.files import read_task_file
from tersely.tasks.strata import strata_of


def problems(tmp_path: Path, strata: list[str | None]) -> Path:
    rows = [{"problem": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(len(strata))]
    told = [row if s is None else {**row, "stratum": s} for row, s in zip(rows, strata, strict=True)]
    path = tmp_path / "task.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in told), encoding="utf-8")
    return path


def test_a_column_declares_the_strata_and_is_no_part_of_a_problem_s_identity(tmp_path: Path) -> None:
    declared = read_task_file(problems(tmp_path, ["easy", "hard"]))
    assert strata_of(declared) == "stratum"
    assert [problem.stratum for problem in declared] == ["easy", "hard"]
    assert declared[0].to_json()["stratum"] == "easy"
    drawn = read_task_file(problems(tmp_path, [None, None]))
    assert strata_of(drawn) is None
    assert [problem.id for problem in drawn] == [problem.id for problem in declared]
    assert "stratum" not in drawn[0].to_json()


def test_strata_of_some_problems_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 of 2 problems have no 'stratum'"):
        strata_of(read_task_file(problems(tmp_path, ["easy", None])))
