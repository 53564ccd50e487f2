"""Prompt templates by name. A template is part of what a checkpoint was trained for, so it is recorded with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tersely.errors import UserError, require_known
from tersely.records import Problem

INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."

TEMPLATES = {
    "question": "the question alone as the user's turn of the model's chat template",
    "boxed": "the paper's instruction and the question as the user's turn of the model's chat template",
    "paper-raw": "the paper's raw training string for the DeepSeek-R1 distilled models, without the chat template",
    "plain": "instruction and question as plain text, for models without a chat template",
}


def render(problem: Problem, tokenizer: Any, template: str, instruction: str | None = None) -> tuple[int, ...]:
    """Prompt token ids; ``instruction`` is a sentence that follows the question in the user's message.

    UserError for an unknown template or a tokenizer without the chat template it needs.
    """
    require_known("template", template, TEMPLATES)
    question = problem.question if instruction is None else f"{problem.question}\n{instruction}"
    asked = f"{INSTRUCTION} Question: {question}"
    if template == "plain":
        return _encode(tokenizer, f"{asked}\nAnswer:")
    if template == "paper-raw":
        return _encode(tokenizer, f"<｜begin▁of▁sentence｜><｜User｜>{asked}<｜Assistant｜>", special=False)
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            f"the tokenizer has no chat template, which the template {template!r} needs: use --template plain, "
            "or add a chat_template to the model folder"
        )
    content = question if template == "question" else asked
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return tuple(int(i) for i in ids)


def _encode(tokenizer: Any, text: str, special: bool = True) -> tuple[int, ...]:
    return tuple(int(i) for i in tokenizer.encode(text, add_special_tokens=special))


def require_room(prompts: Iterable[tuple[int, ...]], cap: int, positions: int | None, setting: str) -> None:
    """UserError where the longest prompt and ``cap`` new tokens exceed the model's positions (None: no limit known).

    ``setting`` is what the user would change, such as "--max-new-tokens ".
    """
    longest = max(map(len, prompts))
    if positions is None or longest + cap <= positions:
        return
    cure = f"use {setting}{positions - longest} or less" if longest < positions else "leave the longest problems out"
    raise UserError(
        f"the longest prompt ({longest} tokens) and {cap} new tokens exceed the model's {positions} positions: {cure}"
    )
