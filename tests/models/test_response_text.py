"""From sampled ids to the text that is judged: end tokens go, marks of thinking stay, special or not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tersely.evaluation.thinking import ThinkingCounter
from tersely.models.text import ResponseText
from tersely.records import Kind, Problem, Status
from tersely.samplers import Prompt, Sampling
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.tokenizer import build_tokenizer
from tersely.verify import Judge
from tersely.verify.visible import graded
from tiny_models import make_model, make_tokenizer

MARKS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
]


def tokenizer_with(*tokens: str, special: bool) -> Any:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(list(tokens), special_tokens=special)
    return tokenizer


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize(("begin", "end"), MARKS)
def test_marks_of_thinking_stay_and_end_tokens_go(begin: str, end: str, special: bool) -> None:
    tokenizer = tokenizer_with(begin, end, special=special)
    text = f"{begin}maybe \\boxed{{2}}{end}The answer is unclear."
    tokens = [*ids(tokenizer, text), tokenizer.pad_token_id, tokenizer.eos_token_id]
    assert ResponseText(tokenizer, (tokenizer.eos_token_id,))(tokens) == text
    assert graded(text) == "The answer is unclear."
    assert graded(text.replace(end, " ")) is None
    counter = ThinkingCounter(tokenizer)
    assert counter.count((), tokens, text) == len(ids(tokenizer, text[: text.index(end)])) + 1
    opening = ids(tokenizer, f"Why?{begin}")
    assert counter.count(opening, ids(tokenizer, "so 2"), "so 2") == len(ids(tokenizer, "so 2"))


@pytest.mark.parametrize("special", [True, False])
def test_a_box_in_the_thinking_is_no_answer_whether_its_mark_is_special_or_not(special: bool) -> None:
    tokenizer = tokenizer_with("<think>", "</think>", special=special)
    decode = ResponseText(tokenizer, (tokenizer.eos_token_id,))
    problem = Problem("p", "1 + 1?", "2", Kind.MATH, "s")
    judged = {}
    with Judge(workers=1) as judge:
        for text in (
            "maybe \\boxed{2}</think>The answer is unclear.",
            "<think>maybe \\boxed{2}",
            "a</think>\\boxed{2}",
        ):
            [verdict] = judge.grade([(problem, decode([*ids(tokenizer, text), tokenizer.eos_token_id]))])
            judged[text] = verdict.status is Status.CORRECT
    assert list(judged.values()) == [False, False, True]


def test_an_end_token_that_is_not_special_goes_and_a_word_stays() -> None:
    tokenizer = tokenizer_with("<|turn|>", special=False)
    turn, word = tokenizer.convert_tokens_to_ids("<|turn|>"), ids(tokenizer, "a")[0]
    assert ResponseText(tokenizer, (turn,))([word, turn]) == "a"
    assert ResponseText(tokenizer, (word,))([word]) == "a"


def test_the_embedded_reasoners_texts_are_what_they_were() -> None:
    tokenizer = build_tokenizer()
    decode, draw = ResponseText(tokenizer, (tokenizer.eos_token_id,)), random.Random(0)
    for _ in range(300):
        tokens = [draw.randrange(len(tokenizer)) for _ in range(draw.randrange(40))]
        assert decode(tokens) == tokenizer.decode(tokens, skip_special_tokens=True)


def test_a_sampler_gives_the_marks_of_a_model_that_has_them_as_special_tokens() -> None:
    tokenizer = tokenizer_with("</think>", special=True)
    close = tokenizer.convert_tokens_to_ids("</think>")
    drawn = TransformersSampler(make_model(len(tokenizer)), tokenizer, "model").generate(
        [Prompt("p", (5, 6, 7))], Sampling(64, 60)
    )
    thought = [rollout for rollout in drawn if close in rollout.tokens]
    assert thought
    for rollout in drawn:
        assert rollout.text.count("</think>") == rollout.tokens.count(close)
        assert "<|" not in rollout.text


def test_marks_of_several_control_tokens_stay_too() -> None:
    """gpt-oss: the answer is what stands in the channel "final"."""
    tokenizer = tokenizer_with("<|start|>", "<|channel|>", "<|message|>", "<|return|>", special=True)
    said = "<|channel|>analysis<|message|>maybe \\boxed{2}"
    ended = f"{said}<|start|>assistant<|channel|>final<|message|>The answer is unclear."
    decode, counter = ResponseText(tokenizer), ThinkingCounter(tokenizer)
    tokens = [*ids(tokenizer, ended), *ids(tokenizer, "<|return|>")]
    assert graded(decode(ids(tokenizer, said))) is None
    assert graded(decode(tokens)) == "The answer is unclear."
    thought = len(ids(tokenizer, ended[: ended.index("The answer")]))
    assert counter.count((), tokens, decode(tokens)) == thought
    assert counter.count((), ids(tokenizer, said), decode(ids(tokenizer, said))) == len(ids(tokenizer, said))
