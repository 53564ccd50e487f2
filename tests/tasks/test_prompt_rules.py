"""Prompts hold the question, as text and whole, or one sentence says why not."""

from __future__ import annotations

import datetime as real
import re
from typing import Any

import pytest
from tokenizers import normalizers, processors

from tersely.errors import UserError
from tersely.records import Kind, Problem
from tersely.tasks import chat
from tersely.tasks.prompts import render, render_all
from tersely.tasks.sources.arithmetic import arithmetic_problems
from tersely.toy.tokenizer import build_tokenizer
from tiny_models import CHAT, make_tokenizer


def problem(question: str = "Why?", ident: str = "p1", **columns: Any) -> Problem:
    return Problem(ident, question, None, Kind.MATH, "s", payload=columns)


def tokenizer_with(template: str = CHAT) -> Any:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def text_of(ids: tuple[int, ...], tokenizer: Any) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=False))


PARTS = "{% for m in messages %}<|user|>{% for part in m['content'] %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"  # noqa: E501


@pytest.mark.parametrize(
    "template",
    [PARTS, "<|user|>Hello<|assistant|>", "{% for m in messages %}<|user|>{{ m['content'][:2] }}{% endfor %}"],
)
def test_a_template_that_drops_the_question_is_refused_by_problem(template: str) -> None:
    with pytest.raises(UserError, match=r"problem p1 \('Why\?'\): the model's chat template leaves the question out"):
        render(problem(), tokenizer_with(template), "question")


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ raise_exception('System role is needed') }}", "System role is needed"),
        ("{% for m in messages %}{{ m['content'] }}", "unexpected"),
        ("{{ messages[0]['content'] + 3 }}", "can only concatenate"),
        ("{{ nothing.there.at_all }}", "undefined"),
        ("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", "recursion"),
        ("{{ 1 / 0 }}", "division"),
    ],
)
def test_a_template_that_fails_is_one_sentence(template: str, cause: str) -> None:
    with pytest.raises(UserError, match="the model's chat template fails") as refused:
        render(problem(), tokenizer_with(template), "question")
    assert cause.lower() in str(refused.value).lower()
    assert "\n" not in str(refused.value)


def test_a_prompt_that_opens_thinking_keeps_its_end() -> None:
    template = CHAT.replace("<|assistant|>", "<|assistant|><think>\\n")
    tokenizer = tokenizer_with(template.replace("<think>\\n", "{{ '<think>\\n' }}"))
    assert text_of(render(problem(), tokenizer, "question"), tokenizer).endswith("<|assistant|><think>\n")


def test_ids_are_those_that_transformers_makes_of_the_conversation() -> None:
    for tokenizer in (tokenizer_with(), build_tokenizer()):
        for one in [problem("1 + 2  =\n?"), *arithmetic_problems("train", 20, 3)]:
            turn = [{"role": "user", "content": one.question}]
            usual = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
            assert render(one, tokenizer, "question") == tuple(usual)


def with_ends(template: str = "<|user|> $A <|end|>") -> Any:
    """A tokenizer that writes a token before a text and one behind it, as ``add_eos_token`` has it done."""
    tokenizer = tokenizer_with()
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<|user|>", "<|end|>")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return tokenizer


def test_a_plain_prompt_begins_and_does_not_end() -> None:
    tokenizer = with_ends()
    assert text_of(tuple(tokenizer.encode("Why?")), tokenizer) == "<|user|>Why?<|end|>"
    text = text_of(render(problem(), tokenizer, "plain"), tokenizer)
    assert text.startswith("<|user|>Please")
    assert text.endswith("Question: Why?\nAnswer:")


def test_a_text_does_not_begin_twice() -> None:
    tokenizer = with_ends("<|user|> $A")
    tokenizer.bos_token = "<|user|>"
    tokenizer.chat_template = "{{ bos_token }}{{ bos_token }}{{ messages[0]['content'] }}"
    assert text_of(render(problem(), tokenizer, "question"), tokenizer) == "<|user|>Why?"
    assert text_of(render(problem(), tokenizer, "plain"), tokenizer).count("<|user|>") == 1


@pytest.mark.parametrize("question", ["What is <|end|>?", "<|user|>", "Say <|assistant|>42"])
def test_a_control_token_in_a_question_is_refused_by_problem(question: str) -> None:
    with pytest.raises(UserError, match=r"problem p1 \(.* holds '<\|\w+\|>', which the model reads as a control token"):
        render(problem(question), tokenizer_with(), "question")
    with pytest.raises(UserError, match="as a control token"):
        render(problem("Why?", name=question), tokenizer_with(), "{question} {name}")


def test_marks_of_thinking_and_of_the_template_are_control_tokens_though_not_special() -> None:
    tokenizer = tokenizer_with(CHAT + "<tool>")
    tokenizer.add_tokens(["<think>", "<tool>", "<|fim_prefix|>", "<b>", "word"])
    for mark in ("<think>", "<tool>", "<|fim_prefix|>"):
        with pytest.raises(UserError, match=f"holds '{re.escape(mark)}'"):
            render(problem(f"a {mark} b"), tokenizer, "question")
    for text in ("<b>", "word", "<|nothing|>"):
        assert text in text_of(render(problem(f"a {text} b"), tokenizer, "question"), tokenizer)


def test_a_users_own_template_may_write_control_tokens() -> None:
    tokenizer = tokenizer_with()
    assert "<|end|>" in text_of(render(problem(), tokenizer, "{question}<|end|>"), tokenizer)


def test_different_questions_with_the_same_ids_are_refused() -> None:
    tokenizer = build_tokenizer()
    first, second = arithmetic_problems("train", 2, 0)
    same = problem(first.question + " élan", "p2")
    assert list(render_all([first, second], tokenizer, "question")) == [first.id, second.id]
    with pytest.raises(UserError, match=rf"problem {first.id} .* and problem p2 .* differ, but their prompts have"):
        render_all([first, same], tokenizer, "question")


def test_the_same_question_twice_is_not_refused() -> None:
    prompts = render_all([problem("Why  so?"), problem("Why so?\n", "p2")], build_tokenizer(), "question")
    assert prompts["p1"] == prompts["p2"]


DATED = "{{ 'Today: ' + strftime_now('%d %b %Y %H:%M') }}<|user|>{{ messages[0]['content'] }}<|assistant|>"


def test_a_template_that_writes_the_date_is_told_the_same_one_always(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    chat._note_frozen.cache_clear()
    tokenizer = tokenizer_with(DATED)
    prompts = []
    for year in (2031, 2032):

        class Day(real.datetime):
            @classmethod
            def now(cls, tz: real.tzinfo | None = None, year: int = year) -> Any:
                return cls(year, 1, 1)

        monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Day)
        prompts.append(render(problem(), tokenizer, "question"))
        usual = tokenizer.apply_chat_template([{"role": "user", "content": "Why?"}], tokenize=False)
        assert str(year) in usual
    assert prompts[0] == prompts[1]
    assert "Today: 26 Jul 2024 00:00" in text_of(prompts[0], tokenizer)
    told = capfd.readouterr().err
    assert told.count("today's date: 26 July 2024 stands in every prompt instead") == 1


def test_a_raised_digit_that_the_tokenizer_puts_on_the_line_makes_another_question() -> None:
    tokenizer = tokenizer_with()
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    assert len(render_all([problem("Two ﬁgs?"), problem("Two figs?", "p2")], tokenizer, "question")) == 2
    for one, other in (("What is 3²?", "What is 32?"), ("H₂", "H2"), ("1½", "11⁄2")):
        with pytest.raises(UserError, match=r"problem p1 .* and problem p2 .* differ, but their prompts have"):
            render_all([problem(one), problem(other, "p2")], tokenizer, "question")
