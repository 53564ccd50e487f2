"""Named tasks: rows of the hub become problems, and whatever stands in the way is said in one sentence.

The hub is stood in for by folders of Parquet files, which ``datasets`` loads exactly as it loads a repository.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tersely.errors import UserError
from tersely.records import Kind, content_id
from tersely.tasks import load_task
from tersely.tasks.sources import hub as named
from tersely.tasks.sources.hub import NAMED, boxed, last_boxed, load_named, parse_name, read_hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"

ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "gsm8k": {
        "train": [{"question": "How many?", "answer": "600 * 2 = <<600*2=1200>>1200\n#### 1,200"}],
        "test": [{"question": "How few?", "answer": "#### is a mark; so\n#### 3"}],
    },
    "math": {
        "train": [
            {
                "problem": "Half?",
                "level": "Level 2",
                "type": "Algebra",
                "solution": r"Not \boxed{1} but $\boxed{\frac{1}{2}}$.",
            }
        ],
        "test": [{"problem": "Odd?", "level": "Level ?", "type": "Algebra", "solution": r"$\boxed{3}$"}],
    },
    "math500": {
        "test": [{"problem": "P?", "solution": "", "answer": "7", "subject": "Algebra", "level": 4, "unique_id": "u"}]
    },
    "aime2024": {"train": [{"id": 1, "problem": "A?", "solution": "", "answer": "025", "year": "2024"}]},
    "numina": {
        "train": [
            {"source": "amc_aime", "problem": "Q1?", "solution": r"$\boxed{11}$"},
            {"source": "cn_k12", "problem": "Q2?", "solution": r"$\boxed{5}$, again $\boxed{ 5 }$"},
            {"source": "cn_k12", "problem": "(1)? (2)?", "solution": r"\boxed{5} and \boxed{6}"},
            {"source": "olympiads", "problem": "Prove it.", "solution": "Clear."},
            {"source": "aops_forum", "problem": "", "solution": r"\boxed{1}"},
            {"source": "synthetic_math", "problem": "Q3?", "solution": r"\boxed{1}"},
        ]
    },
    "commonsense_qa": {
        split: [
            {
                "id": "x",
                "question": f"Where, {split}?",
                "question_concept": "c",
                "choices": {"label": ["A", "B"], "text": ["here", "there"]},
                "answerKey": "B",
            }
        ]
        for split in ("train", "validation")
    },
    "logical_deduction": {
        "test": [
            {
                "input": "Three birds.\nOptions:\n(A) The owl is first.\n(B) The jay is first.",
                "target": "(B)",
            }
        ]
    },
}


def make_repository(folder: Path, configuration: str | None, splits: dict[str, list[dict[str, Any]]]) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder.mkdir(parents=True)
    lines = ["---", "configs:", f"- config_name: {configuration or 'default'}", "  data_files:"]
    for split, rows in splits.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
        lines += [f"  - split: {split}", f"    path: {split}.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    for name, splits in ROWS.items():
        make_repository(root / name, NAMED[name].configuration, splits)
    return root


@pytest.fixture
def hub(repositories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    local = {
        name: dataclasses.replace(
            task,
            repository=str(repositories / name),
            revision=COMMIT,
            files=tuple(f"{split}.parquet" for split in ROWS[name]) if task.files else (),
        )
        for name, task in NAMED.items()
    }
    monkeypatch.setattr(named, "NAMED", MappingProxyType(local))
    return repositories


@pytest.mark.parametrize(
    ("name", "split", "question", "answer", "kind", "source", "difficulty"),
    [
        ("gsm8k", "train", "How many?", "1200", Kind.MATH, "gsm8k", None),
        ("gsm8k", "held_out", "How few?", "3", Kind.MATH, "gsm8k", None),
        ("math", "train", "Half?", r"\frac{1}{2}", Kind.MATH, "MATH", "2"),
        ("math", "held_out", "Odd?", "3", Kind.MATH, "MATH", "?"),
        ("math500", "held_out", "P?", "7", Kind.MATH, "MATH", "4"),
        ("aime2024", "held_out", "A?", "025", Kind.MATH, "AIME 2024", None),
        ("commonsense_qa", "held_out", "Where, validation?\n(A) here\n(B) there", "B", Kind.CHOICE,
         "commonsense_qa", None),
        (
            "logical_deduction",
            "held_out",
            "Three birds.\n\nWhich of the following is true?\n(A) The owl is first.\n(B) The jay is first.",
            "B",
            Kind.CHOICE,
            "bigbench_logical_deduction_2",
            None,
        ),
    ],
)  # fmt: skip
def test_each_task_maps_its_rows(
    hub: Path, name: str, split: Any, question: str, answer: str, kind: Kind, source: str, difficulty: str | None
) -> None:
    (problem,) = load_task(name, split, None)
    assert (problem.question, problem.answer, problem.kind) == (question, answer, kind)
    assert (problem.source, problem.difficulty, problem.split) == (source, difficulty, split)
    assert problem.id == content_id(question, answer)


def test_every_named_task_is_tried_above_or_below() -> None:
    assert {*ROWS, "paper-train"} == set(NAMED)
    assert all(set(task.splits) <= {"train", "held_out"} for task in NAMED.values())


def test_revisions_are_commits() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{40}", task.revision) for task in NAMED.values() if task.revision is not None)
    assert [name for name, task in NAMED.items() if task.revision is None] == ["paper-train"]


def test_a_task_without_a_known_revision_asks_for_one() -> None:
    with pytest.raises(UserError, match="paper-train@COMMIT, or paper-train@main"):
        load_task("paper-train", "train")


def test_numina_counts_every_row_that_gives_no_problem(hub: Path) -> None:
    parsed = parse_name("numina")
    assert parsed is not None
    got = read_hub(parsed, "train")
    assert [(p.question, p.answer, p.source) for p in got.problems] == [("Q1?", "11", "AIME"), ("Q2?", "5", "cn_k12")]
    assert got.skipped == {
        ("cn_k12", "several answers"): 1,
        ("Olympiad", "no boxed answer"): 1,
        ("AoPS", "malformed row"): 1,
        ("synthetic_math", "another subset"): 1,
    }
    assert got.origin.revision == COMMIT
    assert got.origin.rows == 6


def test_subsets_choose_among_the_rows(hub: Path) -> None:
    parsed = parse_name("numina:AIME")
    assert parsed is not None
    got = read_hub(parsed, "train")
    assert [p.source for p in got.problems] == ["AIME"]
    assert sum(got.skipped.values()) == 5


def test_numina_by_name_is_filtered_and_drawn(hub: Path) -> None:
    # The problems of the made hub are too short to be refused: two are left of six rows.
    assert {p.answer for p in load_task("numina", "train", 2)} == {"11", "5"}
    with pytest.raises(UserError, match=r"2 of 2 problems are left after filtering.*3 were asked for"):
        load_task("numina", "train", 3)


def test_too_many_asked_for_is_said(hub: Path) -> None:
    with pytest.raises(UserError, match="gsm8k holds 1 problems, 2 were asked for"):
        load_task("gsm8k", "train", 2)


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("math500", "train", "math500 has no train problems, only held_out: it is for evaluation only"),
        ("numina", "held_out", "numina has no held_out problems, only train: evaluate on math500"),
        ("logical_deduction", "train", "logical_deduction has no train problems, only held_out"),
        ("gsm8kk", "train", r"unknown task 'gsm8kk' \(did you mean 'gsm8k'\?\)"),
        ("numina:AIMEE", "train", r"unknown subset of numina 'AIMEE' \(did you mean 'AIME'\?\)"),
        ("gsm8k:AIME", "train", "gsm8k has no subsets"),
    ],
)
def test_what_a_task_does_not_have_is_said(name: str, split: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_task(name, split, None)


def test_a_name_carries_its_revision() -> None:
    parsed = parse_name(f"numina:AIME,AoPS@{COMMIT}")
    assert parsed is not None
    assert (parsed.name, parsed.subsets, parsed.revision) == ("numina", ("AIME", "AoPS"), COMMIT)
    assert parse_name("problems.jsonl") is None


def test_a_revision_with_other_columns_is_said(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dataclasses.replace(named.NAMED["gsm8k"], columns=("question", "answers"))
    monkeypatch.setattr(named, "NAMED", {"gsm8k": wrong})
    with pytest.raises(UserError, match=r"has no column 'answers' \(did you mean 'answer'\?\)"):
        load_task("gsm8k", "train", None)


def test_a_named_task_with_rows_that_give_no_problem_is_refused(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(tmp_path / "torn", "main", {"train": [{"question": "a?", "answer": "no mark"}]})
    torn = dataclasses.replace(named.NAMED["gsm8k"], repository=str(tmp_path / "torn"))
    monkeypatch.setattr(named, "NAMED", {"gsm8k": torn})
    parsed = parse_name("gsm8k")
    assert parsed is not None
    with pytest.raises(UserError, match="1 rows give no problem"):
        load_named(parsed, "train")


def test_a_repository_that_is_not_there_is_said_with_the_way_out(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dataclasses.replace(named.NAMED["gsm8k"], repository=str(hub / "gone"))
    monkeypatch.setattr(named, "NAMED", {"gsm8k": gone})
    with pytest.raises(UserError, match=r"cannot load gsm8k from the hub .*or give a JSONL file"):
        load_task("gsm8k", "train", None)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install .*\[hub\]'"):
        load_task("gsm8k", "train", None)


@pytest.mark.slow
def test_an_unreachable_hub_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    done = subprocess.run(
        [sys.executable, "-m", "tersely", "prepare", "gsm8k", "--out", str(tmp_path / "o.jsonl")],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot load gsm8k from the hub (openai/gsm8k at 740312add88f)" in done.stderr
    assert "--data FILE" in done.stderr
    assert not (tmp_path / "o.jsonl").exists()


def test_boxes_close_where_their_braces_do() -> None:
    assert boxed(r"\boxed{1} then \boxed {\frac{1}{2}} then \boxed{}") == ["1", r"\frac{1}{2}"]
    assert last_boxed(r"so \boxed{\{1,2\}}") == r"\{1,2\}"
    assert last_boxed(r"\boxed{never") is None


def test_the_authors_own_set_gives_the_box_of_a_solution_or_the_answer_that_stands_alone() -> None:
    task = NAMED["paper-train"]
    solutions = {r"So it is \boxed{204}.": "204", " 12 ": "12"}
    found = {text: task.read({"problem": "P?", "solution": text})["answer"] for text in solutions}
    assert found == solutions
    with pytest.raises(named.Skip):
        task.read({"problem": "P?", "solution": "Clear.\nQED"})
