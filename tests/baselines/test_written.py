"""Demonstrations become ids that continue the student's own prompt and end as its own responses do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tersely import cli
from tersely.baselines.written import Written, opening
from tersely.models.text import ResponseText
from tersely.records import Problem
from tiny_models import make_model_folder, make_tokenizer

PROBLEM = Problem(id="one", question="What is 1 + 1?", answer="2", kind="math", source="test")
TURNS = "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}%s{% endif %}"
ANSWERED = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[Q]{{ m['content'] }}[/Q]"
    "{% else %} {{ m['content'] }}<|end|>{% endif %}{% endfor %}"
)


def student(chat: str, added: tuple[str, ...] = (), **parts: Any) -> PreTrainedTokenizerFast:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(added)})
    tokenizer.chat_template = chat
    for name, value in parts.items():
        setattr(tokenizer, name, value)
    return tokenizer


def behind(prompt: str) -> str:
    return TURNS.replace("%s", prompt)


def test_the_end_is_that_of_a_turn_else_of_the_text_else_the_first_that_the_model_names() -> None:
    chat = student(ANSWERED.replace("<|end|>", "<|im_end|>"), ("<|im_end|>",))
    turn = chat.convert_tokens_to_ids("<|im_end|>")
    assert Written(chat, "question", [7]).end == turn
    assert Written(chat, "plain", [7]).end == chat.eos_token_id
    assert Written(student(behind("A:"), eos_token=None), "question", [7, 8]).end == 7


def test_control_tokens_of_the_student_are_not_taught_but_an_end_behind_the_text_is_its_end() -> None:
    written = Written(student(behind("A:")), "question", [1])
    assert written.response(PROBLEM, "so <|end|> and \\boxed{2}") is None
    assert written.response(PROBLEM, "so \\boxed{2}<|end|>\n") == written.response(PROBLEM, "so \\boxed{2}")


def test_a_tokenizer_that_puts_a_space_before_a_text_puts_none_between_prompt_and_response() -> None:
    tokenizer = student(behind("<|assistant|>\n"))
    alone = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    spaced = PreTrainedTokenizerFast(tokenizer_object=alone, eos_token="<|end|>", chat_template=tokenizer.chat_template)
    ids = Written(spaced, "question", [1]).response(PROBLEM, "so \\boxed{2}")
    assert ids is not None
    assert spaced.decode(ids[:-1]) == "so \\boxed{2}"
    assert spaced.decode(spaced.encode("so", add_special_tokens=False)) == " so"


def test_blanks_that_the_template_writes_before_an_answer_are_learnt() -> None:
    tokenizer = student(ANSWERED)
    ids = Written(tokenizer, "question", [1]).response(PROBLEM, "so")
    assert ids is not None
    assert tokenizer.decode(ids) == " so<|end|>"


def test_a_thought_that_the_prompt_begins_is_not_begun_again_and_must_end() -> None:
    tokenizer = student(behind("<think>\n"), ("<think>", "</think>"))
    written = Written(tokenizer, "question", [1])
    ids = written.response(PROBLEM, "<think>\n2?\n</think>\n\\boxed{2}")
    assert ids == written.response(PROBLEM, "2?\n</think>\n\\boxed{2}")
    assert ids is not None
    assert tokenizer.decode(ids) == "2?\n</think>\n\\boxed{2}<|end|>"
    assert written.response(PROBLEM, "\\boxed{2}") is None
    assert opening(ResponseText(tokenizer), written.prompt(PROBLEM)) == "<think>\n"


def test_a_student_without_an_end_of_text_is_distilled_with_the_end_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, taught = make_model_folder(tmp_path / "model"), []
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": None}))
    row = {"problem": "What is 1 + 1?", "answer": "2", "response": "so \\boxed{2}"}
    (tmp_path / "demo.jsonl").write_text(json.dumps(row) + "\n")

    def tune(method: str, model: Any, reference: Any, tokenizer: Any, examples: Any, *_: Any, **__: Any) -> int:
        taught.extend(examples)
        return 1

    monkeypatch.setattr("tersely.baselines.trainee.tune", tune)
    words = ["distill", "--student", str(folder), "--demonstrations", str(tmp_path / "demo.jsonl")]
    words += ["--template", "question", "--learning-rate", "1e-3", "--set", "run.threads=1"]
    assert cli.main([*words, "--out", str(tmp_path / "taught")]) == 0
    assert [e.chosen[-1] for e in taught] == [1]
