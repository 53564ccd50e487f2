"""Prompt templates: ours by name, a user's own text with places in it, and nothing cleverer than that."""

from __future__ import annotations

from typing import Any

import pytest

from tersely.errors import UserError
from tersely.records import Kind, Problem
from tersely.tasks.prompts import TEMPLATES, fill, find_template, render


class Letters:
    """A tokenizer whose ids are the characters' own numbers; a turn is put in angle brackets."""

    chat_template = "<user>"

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return [1] * add_special_tokens + [ord(c) for c in text]

    def apply_chat_template(self, turns: list[dict[str, str]], **_: Any) -> str:
        return "".join(f"<{turn['content']}>" for turn in turns)


def problem(question: str = "Why?", **columns: Any) -> Problem:
    return Problem("p1", question, None, Kind.MATH, "s", payload=columns)


def filled(template: str, one: Problem) -> str:
    return fill(find_template(template), one)


def read(ids: tuple[int, ...]) -> str:
    return "".join(map(chr, ids))


def test_our_own_templates_are_what_they_were() -> None:
    asked = "Please reason step by step, and put your final answer within \\boxed{}. Question: Why?"
    expected = {
        "question": "<Why?\nBe brief.>",
        "boxed": f"<{asked}\nBe brief.>",
        "paper-raw": f"<｜begin▁of▁sentence｜><｜User｜>{asked}\nBe brief.<｜Assistant｜>",
        "plain": f"\x01{asked}\nBe brief.\nAnswer:",
    }
    assert {name: read(render(problem(), Letters(), name, "Be brief.")) for name in TEMPLATES} == expected


def test_an_own_text_is_the_users_turn_with_the_instruction_at_its_end() -> None:
    one = problem(signature="def f(x)")
    text = "Write a function. {question}\nSignature: {signature}"
    assert read(render(one, Letters(), text)) == "<Write a function. Why?\nSignature: def f(x)>"
    assert read(render(one, Letters(), text, "Be brief.")).endswith("def f(x)\nBe brief.>")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{question} {question}", "Why? Why?"),
        (r"{question} in \boxed{} and {a}", r"Why? in \boxed{} and A"),
        ("{{question}} {question}", "{question} Why?"),
        ("{question} x^{2^{3}} {} { a } {0} {a.b}", "Why? x^{2^{3}} {} { a } {0} {a.b}"),
        ("{question} {a!r} {a:>9} {a[0]} {a", "Why? {a!r} {a:>9} {a[0]} {a"),
        ("{n} {half} {yes} {list} {question}", '7 0.5 true ["é", {"k": null}] Why?'),
        ("{größe}", "12"),
    ],
)  # fmt: skip
def test_places_are_plain_names_and_every_other_brace_is_itself(template: str, expected: str) -> None:
    one = problem(a="A", n=7, half=0.5, yes=True, list=["é", {"k": None}], größe="12")
    assert filled(template, one) == expected


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    one = problem("What is {a} in {b}, {{question}}?", a="{question}{b}", b="B")
    assert filled("{a}|{question}", one) == "{question}{b}|What is {a} in {b}, {{question}}?"


def test_the_columns_of_a_template_are_named_once_each() -> None:
    assert find_template("{b} {question} {a} {b} {{c}}").columns == ("b", "a")
    assert [find_template(name).columns for name in TEMPLATES] == [()] * len(TEMPLATES)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("boxd", r"unknown template 'boxd' \(did you mean 'boxed'\?\); choose one of question, .*or give a text"),
        ("", "unknown template ''"),
        ("Solve it, please.", "no place for the problem, so every prompt would be the same"),
        ("{{question}}", "no place for the problem"),
        ("Put it in {}.", "no place for the problem"),
        ("{question}\x00", "the template holds a NUL"),
        ("{question}\udc80", "half a surrogate"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_template(template)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sigature": "f"}, r"problem p1 \('Why\?'\): no column 'signature' \(did you mean 'sigature'\?\)"),
        ({"signature": None}, "column 'signature' is null"),
        ({"signature": "a\x00b"}, "column 'signature' holds a NUL"),
        ({"signature": "\ud800"}, "half a surrogate"),
        ({}, r"\{\{signature\}\} would write the braces themselves"),
    ],
)
def test_a_column_that_cannot_be_filled_in_names_the_problem(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        render(problem(**columns), Letters(), "{question} {signature}")


def test_an_own_text_needs_a_chat_template() -> None:
    bare = Letters()
    bare.chat_template = ""
    with pytest.raises(UserError, match=r"no chat template, which the template '\{question\}!' needs"):
        render(problem(), bare, "{question}!")
