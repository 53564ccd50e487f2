"""Further columns of a task: who gets to see them, what they do to a problem's identity, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.frozen import MAX_DEPTH, canonical, freeze_mapping, thaw
from tersely.learn.loop import train
from tersely.records import Kind, Problem, content_id
from tersely.tasks import load_task, task_digest
from tiny_models import make_model_folder
from training import QUIET, settings

CODE = {"problem": "Add two numbers.", "entry_point": "add", "tests": [[[1, 2], 3]], "meta": {"by": ["us"]}}
ASKED = "{question}\nIts name: {entry_point}"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(*rows: dict[str, Any], name: str = "mine.jsonl") -> str:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return to_file


def load(task: Any, **more: Any) -> list[Problem]:
    return load_task(task, "train", None, **more)


# ---- who sees them


def test_a_verifier_gets_all_further_columns_and_needs_no_answer(write: Any) -> None:
    (problem,) = load(write(CODE), verified=True)
    assert problem.answer is None
    assert thaw(problem.payload) == {"entry_point": "add", "tests": [[[1, 2], 3]], "meta": {"by": ["us"]}}


def test_a_template_gets_the_columns_that_it_names_and_an_ordinary_task_gets_none(write: Any) -> None:
    path = write(CODE | {"answer": "42"})
    (asked,) = load(path, template=ASKED)
    (plain,) = load(path)
    assert dict(asked.payload) == {"entry_point": "add"}
    assert dict(plain.payload) == {}


def test_columns_with_a_meaning_of_their_own_are_never_in_the_payload(write: Any) -> None:
    known = {"id": "x", "answer": "B", "choices": {"A": "1", "B": "2"}, "level": 3, "source": "s", "kind": "choice"}
    (problem,) = load(write({"question": "Which?", **known}), verified=True)
    assert dict(problem.payload) == {}
    assert (problem.answer, problem.difficulty, problem.source, problem.kind) == ("B", "3", "s", Kind.CHOICE)


@pytest.mark.parametrize("answer", [None, "", "  \n"])
def test_an_empty_answer_is_none_at_all_to_a_verifier(write: Any, answer: str | None) -> None:
    (problem,) = load(write(CODE | {"answer": answer}), verified=True)
    assert (problem.answer, problem.gold) == (None, "")


def test_a_verifier_decides_so_that_golds_are_not_looked_at(write: Any) -> None:
    def never(golds: Any) -> list[str | None]:
        raise AssertionError(golds)

    (problem,) = load(write(CODE | {"answer": "any text"}), verified=True, check_golds=never)
    assert problem.answer == "any text"


# ---- frozen


def test_a_payload_cannot_be_changed_at_any_depth(write: Any) -> None:
    (problem,) = load(write(CODE), verified=True)
    with pytest.raises(TypeError):
        problem.payload["tests"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        problem.payload["meta"]["by"] = ()
    assert problem.payload["tests"] == (((1, 2), 3),)
    assert problem.payload["meta"]["by"] == ("us",)


def test_a_problem_with_a_payload_can_be_copied_pickled_and_written(write: Any) -> None:
    (problem,) = load(write(CODE), verified=True)
    for again in (copy.deepcopy(problem), pickle.loads(pickle.dumps(problem)), Problem(**problem.to_json())):
        assert again == problem
        assert hash(again) == hash(problem)
    assert json.loads(json.dumps(problem.to_json()))["payload"] == thaw(problem.payload)
    assert "payload" not in load(write(CODE | {"answer": "1"}))[0].to_json()


def test_a_payload_given_to_a_problem_is_a_copy() -> None:
    tests = [1, 2]
    problem = Problem("x", "q", None, Kind.MATH, "s", payload={"tests": tests})
    tests.append(3)
    assert problem.payload["tests"] == (1, 2)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"f": len}, r"payload\['f'\] is of type builtin_function_or_method: give JSON values"),
        ({"a": [{"b": float("nan")}]}, r"payload\['a'\]\[0\]\['b'\] is nan"),
        ({"a": {1: 2}}, r"payload\['a'\] has the key 1, which is no text"),
        ({"a": {3}}, "of type set"),
        ({"a": b"x"}, "of type bytes"),
        ([1], "payload is of type list: give an object"),
        ({"a": _deep(MAX_DEPTH)}, "nested deeper than 64 levels"),
        ({"a": _deep(5000)}, "nested deeper than 64 levels"),
    ],
)
def test_what_json_does_not_have_is_refused(payload: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Problem("x", "q", None, Kind.MATH, "s", payload=payload)


def test_the_deepest_payload_allowed_is_taken(write: Any) -> None:
    row = CODE | {"deep": _deep(MAX_DEPTH - 1)}
    (problem,) = load(write(row), verified=True)
    assert thaw(problem.payload)["deep"] == row["deep"]
    with pytest.raises(UserError, match=r"line 1: column\['deep'\].*nested deeper"):
        load(write(row | {"deep": _deep(MAX_DEPTH)}), verified=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_freezing_loses_nothing_and_the_order_of_keys_says_nothing(values: dict[str, Any]) -> None:
    frozen = freeze_mapping(values, "payload")
    assert thaw(frozen) == values
    turned = freeze_mapping(dict(reversed(values.items())), "payload")
    assert canonical(turned) == canonical(frozen)
    assert turned == frozen


# ---- identity


def test_columns_that_nobody_reads_change_no_id(write: Any) -> None:
    row = {"problem": "What is 1+1?", "answer": "2"}
    (bare,), (more,) = load(write(row)), load(write(row | {"solution": "count", "n": [1]}))
    assert bare.id == more.id == content_id("What is 1+1?", "2")
    # Written by the version before there were payloads.
    assert bare.id == "b7885d3c82821bcb"


def test_columns_that_are_read_are_part_of_the_id_in_whatever_order(write: Any) -> None:
    turned = dict(reversed(CODE.items()))
    ids = {load(write(row), verified=True)[0].id for row in (CODE, turned)}
    others = [CODE | {"entry_point": "sum"}, CODE | {"tests": [[[1, 2], 4]]}, CODE | {"answer": "1"}]
    other_ids = {load(write(row), verified=True)[0].id for row in others}
    assert len(ids) == 1
    assert len(ids | other_ids) == 4


def test_an_id_tells_a_list_from_its_text_and_null_from_nothing() -> None:
    payloads: list[Mapping[str, Any]] = [{"a": [1]}, {"a": "[1]"}, {"a": None}, {"b": None}, {"a": 1}, {"a": True}, {}]
    assert len({content_id("q", "a", payload) for payload in payloads}) == len(payloads)
    assert canonical({"b": (1, 2), "a": "é"}) == '{"a":"\\u00e9","b":[1,2]}'


def test_the_digest_of_a_task_covers_what_is_read_and_nothing_else(write: Any) -> None:
    row = CODE | {"answer": "1"}
    other = row | {"entry_point": "sum"}
    assert task_digest(load(write(row))) == task_digest(load(write(other)))
    for reading in ({"template": ASKED}, {"verified": True}):
        assert task_digest(load(write(row), **reading)) != task_digest(load(write(other), **reading))


def test_one_question_with_other_tests_is_two_problems_to_a_verifier_alone(write: Any) -> None:
    path = write(CODE | {"answer": "1"}, CODE | {"answer": "1", "tests": []})
    assert len(load(path, verified=True)) == 2
    with pytest.raises(UserError, match="line 2: the same problem as line 1"):
        load(path)


def test_one_question_about_other_passages_is_two_problems_where_the_prompt_shows_them(write: Any) -> None:
    asked = "What is it about?"
    rows = [{"question": asked, "answer": word, "passage": f"A text about {word}."} for word in ("cats", "dogs")]
    assert len(load(write(*rows), template="{passage}\n{question}")) == 2
    with pytest.raises(UserError, match="line 2: answer 'dogs', but 'cats' to the same question on line 1"):
        load(write(*rows))


def test_the_same_problem_twice_is_refused_from_a_verifier_too(write: Any) -> None:
    with pytest.raises(UserError, match="line 2: the same problem as line 1"):
        load(write(CODE, dict(reversed(CODE.items()))), verified=True)


# ---- bad input


def test_a_missing_answer_is_refused_with_both_cures(write: Any) -> None:
    with pytest.raises(
        UserError, match=r"line 1: no 'answer' field \(fields there: [\w, ]+\): add it, or give a verifier"
    ):
        load(write(CODE))


@pytest.mark.parametrize("value", [{}, {"entry_point": None}])
def test_a_column_that_the_template_fills_in_must_stand_on_every_line(write: Any, value: dict[str, Any]) -> None:
    bad = {"problem": "Subtract.", "answer": "1", "entry_pont": "sub", **value}
    with pytest.raises(UserError, match=r"1 of 2 lines.*line 2: no column 'entry_point'.*the prompt template fills in"):
        load(write(CODE | {"answer": "1"}, bad), template=ASKED)


def test_a_misspelt_column_names_the_nearest(write: Any) -> None:
    with pytest.raises(UserError, match=r"no column 'entrypoint' \(did you mean 'entry_point'\?\)"):
        load(write(CODE), verified=True, template="{question} {entrypoint}")


def test_the_answer_is_no_column_of_a_prompt(write: Any) -> None:
    with pytest.raises(UserError, match="no column 'answer'"):
        load(write(CODE | {"answer": "1"}), template="{question} {answer}")


def test_a_task_without_columns_is_refused_under_a_template_that_fills_one_in() -> None:
    with pytest.raises(UserError, match="task arithmetic: no column 'hint', which the prompt template fills in"):
        load_task("arithmetic", "train", 5, template="{question} {hint}")


def test_a_template_that_swallows_the_question_is_refused(write: Any) -> None:
    rows = [{"question": f"q{i}", "answer": str(i), "prompt": "Say something."} for i in range(3)]
    with pytest.raises(UserError, match=r"one prompt of different questions \(2 times\); put \{question\} into it"):
        load(write(*rows), template="{prompt}")
    told_apart = [row | {"prompt": row["question"].upper()} for row in rows]
    assert len(load(write(*told_apart), template="{prompt}")) == 3


# ---- all the way


@pytest.mark.slow
def test_a_run_trains_under_an_own_template_and_is_refused_when_a_column_changed(tmp_path: Path) -> None:

    make_model_folder(tmp_path / "model")
    rows = [{"problem": f"What is {i} + {i}?", "answer": str(2 * i), "hint": f"about {i}"} for i in range(12)]

    def write(rows: list[dict[str, Any]]) -> None:
        (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    write(rows)
    config = settings(tmp_path, template="{question} ({hint}) {{x}}", run={"steps": 1, "checkpoint_every": 1})
    train(config, tmp_path / "run", QUIET)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["template"] == config.template
    write([row | {"hint": "another"} for row in rows])
    with pytest.raises(UserError, match="task_sha256"):
        train(config, tmp_path / "run", QUIET)
