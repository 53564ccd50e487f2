"""``load_task``: embedded tasks, a caller's own problems, the answers that files have, and tasks that stay the same."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tersely.errors import UserError
from tersely.records import Kind, Problem, content_id
from tersely.tasks import load_task, task_digest
from tersely.tasks.sources import rows
from tersely.tasks.sources.embedded import EMBEDDED_TASKS, EmbeddedTask

DATA = Path(os.environ.get("TERSELY_DATA", Path(__file__).parents[3] / "shared" / "data"))
ROW = {"problem": "What is 1+1?", "answer": "2"}
OWN = Problem("mine", "What is 1+1?", "2", Kind.MATH, "notebook", payload={"hint": "count"})


# ---- tasks that stay the same


@pytest.mark.slow
def test_the_embedded_task_is_the_one_it_always_was() -> None:
    # Digests written before embedded tasks were a table.
    digests = {
        "train": "30aea4a940116a539606e3d6a953323169778c053411224fbcd1262a231d7edd",
        "held_out": "73fefe209632b3ae5c87423722dfa90dcd2f7cf6e73f0395c1655c39c8808066",
    }
    assert task_digest(load_task("arithmetic", "train")) == digests["train"]
    assert task_digest(load_task("arithmetic", "held_out")) == digests["held_out"]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("gsm8k_train", "0192b2f3d8b6318407ecf959be7f018e8287a0159334cf868056934af64a3920"),
        ("math500", "13710726bd689825e179692bcd8704e273a8d559111340942f6f6fc31bfb5223"),
        ("commonsenseqa_dev", "70ae67bb5d70b7a6b886c4482dbb65b6b5b37dedcccfb1414a14671ba4e10997"),
        ("aime2024", "49fee5f2987c3bac28ebb1b7536455de3697367ead6232e0ce689ec05d91c10d"),
    ],
)
def test_files_with_further_columns_keep_their_ids(name: str, digest: str) -> None:
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("set TERSELY_DATA to a folder with the public sets")
    # Digests written before there were payloads; the files have solutions and further columns of their own.
    assert task_digest(load_task(path, "train")) == digest


# ---- sizes


@pytest.mark.parametrize("task", ["arithmetic", [ROW], "gsm8k"])
@pytest.mark.parametrize("size", [0, -1])
def test_a_size_below_one_is_refused_whatever_the_task(task: Any, size: int) -> None:
    with pytest.raises(UserError, match=f"size {size} is no number of problems; ask for at least 1"):
        load_task(task, "train", size)


def test_more_problems_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match="the given problems holds 1 problems, 2 were asked for: lower the size"):
        load_task([ROW], "train", 2)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UserError, match=r"unknown task 'arithmatic' \(did you mean 'arithmetic'\?\).*gsm8k.*JSONL"):
        load_task("arithmatic", "train")


# ---- a caller's own


def test_own_problems_are_known_by_their_content_and_take_the_split() -> None:
    (problem,) = load_task([OWN], "held_out")
    assert problem == replace(OWN, id=content_id("What is 1+1?", "2"), split="held_out", payload={})
    (verified,) = load_task((OWN,), "train", verified=True)
    assert dict(verified.payload) == {"hint": "count"}
    assert verified.id == content_id("What is 1+1?", "2", {"hint": "count"})


def test_rows_do_in_place_of_problems() -> None:
    (problem,) = load_task([ROW], "train")
    assert problem.id == content_id("What is 1+1?", "2")
    assert (problem.source, problem.split) == ("own", "train")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no problems found in the list that was given"),
        ([OWN, "What is 1+1?"], r"1 of 2 cannot be used: number 2: of type str: give a Problem, or a mapping"),
        ([{"problem": "x"}], "number 1: no 'answer' field .fields there: problem.: add it, or give a verifier"),
        ([replace(OWN, answer=None)], "number 1: no answer: add it, or give a verifier, which may decide without one"),
        ([replace(OWN, question=" \n")], "number 1: the question is empty"),
        ([OWN, replace(OWN, id="other")], "number 2: the same problem as number 1"),
        ([OWN, ROW | {"answer": 3}], "number 2: answer '3', but '2' to the same question on number 1"),
        ([{"problem": "x", "answer": "B", "choices": {5: "1", 6: "2"}}], "single letters A to Z, not 5"),
    ],
)
def test_own_problems_are_taken_as_strictly_as_a_file(given: Sequence[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_task(given, "train")


def test_own_golds_are_checked() -> None:
    def check(golds: Sequence[tuple[str, str]]) -> list[str | None]:
        return ["not mine" for _ in golds]

    with pytest.raises(UserError, match=r"the given problems: 1 of 1 gold answers cannot be judged .*: number 1: '2'"):
        load_task([OWN], "train", None, check)


# ---- answers in the form of GSM8K


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("48/2 = 24 clips.\n48+24 = 72 clips.\n#### 72", "72"),
        ("600 * 2 = <<600*2=1200>>1200\n#### 1,200", "1200"),
        ("It is #### 3, no:\n#### -4.5\n", "-4.5"),
        ("On one line #### 5", "5"),
        ("tight\n####6", "6"),
        # Not of that form: left as they are, for the judge to say what is wrong with them.
        ("#### 72", "#### 72"),
        ("so\n#### 72 clips", "so\n#### 72 clips"),
        ("so\n### 72", "so\n### 72"),
        ("so\n#### \\frac{1}{2}", "so\n#### \\frac{1}{2}"),
        ("so\n#### 72\nor 73", "so\n#### 72\nor 73"),
    ],
)
def test_an_answer_that_ends_in_four_hashes_and_a_number_is_that_number(answer: str, expected: str) -> None:
    (problem,) = load_task([{"question": "How many?", "answer": answer}], "train")
    assert problem.answer == expected
    assert problem.id == content_id("How many?", expected)


def test_an_exact_answer_is_never_cut() -> None:
    (problem,) = load_task([{"question": "Which?", "answer": "so\n#### 72", "kind": "exact"}], "train")
    assert problem.answer == "so\n#### 72"


def test_a_long_answer_is_read_in_one_pass() -> None:
    # 200,000 marks: a pattern that tries each of them anew would not come back.
    assert rows.final_number("a #### 1 " * 200_000 + "#### 2") == "2"
    assert rows.final_number("a #### 1 " * 200_000 + "x") is None


# ---- the plug point: one file and one line


def test_an_embedded_task_is_one_function_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubling(split: str, size: int, seed: int) -> list[Problem]:
        start = seed if split == "train" else 10 * seed
        asked = [(f"Twice {n}?", str(2 * n)) for n in range(start, start + size)]
        return [Problem(content_id(q, a), q, a, Kind.MATH, "doubling", split=split) for q, a in asked]

    added = EmbeddedTask(doubling, sizes={"train": 4, "held_out": 2}, seeds={"train": 100, "held_out": 100})
    monkeypatch.setattr("tersely.tasks.load.EMBEDDED_TASKS", {**EMBEDDED_TASKS, "doubling": added})
    train, held_out = load_task("doubling", "train"), load_task("doubling", "held_out", 3)
    assert [p.answer for p in train] == ["200", "202", "204", "206"]
    assert len(held_out) == 3
    with pytest.raises(UserError, match=r"unknown task 'dubling' \(did you mean 'doubling'\?\)"):
        load_task("dubling", "train")


@pytest.mark.parametrize("name", EMBEDDED_TASKS)
def test_every_embedded_task_gives_different_problems_in_its_splits(name: str) -> None:
    train, held_out = load_task(name, "train", 60), load_task(name, "held_out", 60)
    assert len({p.id for p in train} | {p.id for p in held_out}) == 120
    assert load_task(name, "train", 60) == train
    assert json.dumps([p.to_json() for p in train])
