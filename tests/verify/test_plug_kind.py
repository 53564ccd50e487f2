"""A new answer kind costs one object; a stranger's is taken only where a person named it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tersely.cli import main
from tersely.errors import UserError
from tersely.records import Problem, Status, content_id
from tersely.verify import KINDS, AnswerKind, Judge
from tersely.verify.kinds.base import Decision, GoldCheck


def parity(gold: str, answer: str) -> Decision:
    """A toy: right where both numbers are even, or both odd."""
    if not answer.isdigit():
        return Status.NO_ANSWER, "no number"
    same = int(gold) % 2 == int(answer) % 2
    return (Status.CORRECT, "same parity") if same else (Status.WRONG, "another parity")


def is_whole(gold: str) -> GoldCheck:
    return gold.isdigit(), "is no whole number"


PARITY = AnswerKind("parity", parity, is_whole)
BROKEN = AnswerKind("broken", lambda gold, answer: (1 / 0, ""), lambda gold: int(gold))  # type: ignore[arg-type, return-value]
SILENT = AnswerKind("silent", lambda gold, answer: None)  # type: ignore[arg-type, return-value]


def test_a_toy_kind_judges_and_checks_golds() -> None:
    items = [("4", r"\boxed{12}", "parity"), ("4", r"\boxed{7}", "parity"), ("4", r"\boxed{x}", "parity")]
    with Judge(kinds=[PARITY]) as judge:
        found = [v.status for v in judge.judge([*items, ("4", r"\boxed{4.0}", "math")])]
        assert judge.check_golds([("4", "parity"), ("x", "parity"), ("", "parity")]) == [
            None,
            "is no whole number",
            "is empty",
        ]
        problem = Problem(content_id("q", "4"), "q", "4", "parity", "test")
        assert judge.grade([(problem, r"\boxed{6}")])[0].reason == "same parity"
    assert found == [Status.CORRECT, Status.WRONG, Status.NO_ANSWER, Status.CORRECT]


@pytest.mark.slow
def test_a_kind_of_ones_own_may_ask_math_verify() -> None:
    asks = AnswerKind(
        "asks", lambda gold, answer: (None, "too hard"), for_worker=lambda text: text.replace("half", "0.5")
    )
    with Judge(workers=1, kinds=[asks]) as judge:
        found = judge.judge([("half", r"\boxed{\frac{1}{2}}", "asks"), ("half", r"\boxed{2}", "asks")])
    assert [v.status for v in found] == [Status.CORRECT, Status.WRONG]


def test_what_a_kind_raises_or_returns_as_nonsense_is_unjudged() -> None:
    undecided = AnswerKind("undecided", lambda gold, answer: (None, "who knows"))
    with Judge(kinds=[BROKEN, SILENT, undecided]) as judge:
        found = judge.judge([("1", r"\boxed{1}", name) for name in ("broken", "silent", "undecided")])
        assert judge.check_gold("x", "broken") == (
            "cannot be checked (answer kind 'broken' raised ValueError: invalid literal for int() with base 10: 'x')"
        )
    assert {v.status for v in found} == {Status.UNJUDGED}
    assert [v.reason for v in found] == [
        "answer kind 'broken' raised ZeroDivisionError: division by zero",
        "answer kind 'silent' returned None, where (Status, reason) is wanted",
        "answer kind 'undecided' returned (None, 'who knows'), where (Status, reason) is wanted",
    ]


def test_every_kind_stands_in_the_table_under_its_own_name() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}


OWN = """
from tersely.records import Status
from tersely.verify import AnswerKind
LOUD = AnswerKind("loud", lambda gold, answer: (Status.CORRECT if answer.isupper() else Status.WRONG, "as loud"))
number = 3
THIN = AnswerKind("thin", lambda gold: None)
EXACT = AnswerKind("exact", LOUD.decide)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_kinds.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_kinds", raising=False)
    return "own_kinds"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_kinds:LOWD", "has no attribute 'LOWD'"),
        ("no_such_module:KIND", "No module named 'no_such_module'"),
        ("own_kinds:number", "'own_kinds:number' is no AnswerKind but int"),
        ("own_kinds:THIN", r"'thin.decide' must take \(gold, answer\)"),
        ("own_kinds:EXACT", "the name of answer kind 'exact' is taken"),
        ("loud", "is not of the form package.module:Name"),
    ],
)
def test_a_kind_that_cannot_work_is_refused_by_name(module: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Judge(kinds=[name])


def test_an_unknown_kind_names_the_nearest() -> None:
    with (
        Judge(kinds=[PARITY]) as judge,
        pytest.raises(UserError, match=r"unknown kind 'parrity' \(did you mean 'parity'"),
    ):
        judge.judge([("4", r"\boxed{4}", "parrity")])


def test_a_kind_named_by_data_is_imported_for_nobody_but_who_named_it_too(
    module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(json.dumps({"gold": "A", "response": "\\boxed{HEY}", "kind": f"{module}:LOUD"}) + "\n")
    assert main(["verify", str(file)]) == 2
    assert "data may not choose what is imported" in capsys.readouterr().err
    assert module not in sys.modules
    assert main(["verify", str(file), "--kind", f"{module}:LOUD"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "as loud"
