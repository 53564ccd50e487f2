"""What the model's own chat template writes, and which tokens it controls the model with.

A template is a program of the model's makers: it may fail, print today's date, leave out what it is given, or never
end. Two prompts are therefore rendered once in a process that may be killed, before anything is rendered here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from tersely.display import speaks
from tersely.errors import RunError, UserError, first_line
from tersely.records import Status
from tersely.terminal import say
from tersely.verify.visible import THINKING
from tersely.verify.workers.pool import Pool, Program

FROZEN = datetime(2024, 7, 26)
"""The date that templates are told, so that a prompt is the same on every day: the one that the templates of Llama 3.1
write themselves where they are told none."""
CLOCK = "strftime_now"
"""The only clock that transformers gives a template."""

TEMPLATE_SECONDS, TEMPLATE_MB = 5.0, 1024
"""What two prompts may take: a thousand times what any real template does."""
_CODES = "aAbBdHIjmMpSUwWyYcxXZzFDTRefGuV"
"""Of ``strftime``."""

_MARK = re.compile(r"\s*[<\[◁]\S+[>\]▷]\s*")
_PIPED = re.compile(r"<[|｜].+[|｜]>")
"""``<|fim_prefix|>``: a word of no text, wherever it is used."""


def chat_text(tokenizer: Any, turns: Sequence[dict[str, str]], *, ask: bool) -> str:
    """The turns as text; with ``ask`` the model's turn is begun. UserError where the template fails."""
    _require_end(template_text(tokenizer))
    frozen: dict[str, str] = {}
    if CLOCK in template_text(tokenizer):
        frozen = {"chat_template": _frozen_clock() + tokenizer.get_chat_template()}
        _note_frozen()
    try:
        text = tokenizer.apply_chat_template(list(turns), add_generation_prompt=ask, tokenize=False, **frozen)
    # The template's own expressions fail like any Python: a division by zero, a macro that calls itself.
    except Exception as error:
        raise UserError(
            f"the model's chat template fails ({first_line(error)}): mend chat_template in the model folder, or use "
            "--template plain"
        ) from error
    return str(text)


def _require_end(template: str) -> None:
    """UserError for a template that goes on for ever or fills the memory, on a short content or on a long one."""
    if (reason := _endless(template)) is not None:
        raise UserError(
            f"the model's chat template does not end within {TEMPLATE_SECONDS:g} CPU seconds and {TEMPLATE_MB} MiB "
            f"({reason}): mend chat_template in the model folder, or move it away and use --template plain"
        )


@cache
def _endless(template: str) -> str | None:
    """Why a template was stopped; None for one that ended, and where there is none. Tried once a process."""
    if not template:
        return None
    pool = Pool(1, TEMPLATE_SECONDS, TEMPLATE_MB, Program(Path(__file__).with_name("template_answers.py")))
    try:
        (said,) = pool.run([{"template": template, "contents": ["Hello", "What is 1 + 1? " * 1000]}])
    finally:
        pool.close()
    if said.outside:
        raise RunError(f"the model's chat template could not be tried: {said.reason}; run the command again")
    return None if said.status is Status.CORRECT else said.reason


def template_text(tokenizer: Any) -> str:
    """The chat template itself, "" where there is none; several by name as one text."""
    template = getattr(tokenizer, "chat_template", None) or ""
    if isinstance(template, dict):
        return "\n".join(f"{name}:{template[name]}" for name in sorted(template))
    return str(template)


@cache
def _frozen_clock() -> str:
    """In the template's own language, because transformers gives a template no function of ours: the format with every
    code replaced by what it means on the frozen date."""
    codes = [*(f"%{letter}" for letter in _CODES), *(f"%-{letter}" for letter in "dmHIMSj"), "%%"]
    replaced = "".join(f" | replace('{code}', '{FROZEN.strftime(code)}')" for code in codes)
    return f"{{% macro {CLOCK}(format) %}}{{{{ format{replaced} }}}}{{% endmacro %}}\n"


@cache
def _note_frozen() -> None:
    """Once a process. Not through a display: there may be none yet."""
    if speaks():
        say(
            f"the model's chat template writes today's date: {FROZEN:%d %B %Y} stands in every prompt instead",
            error=True,
        )


def control_tokens(tokenizer: Any) -> dict[int, str]:
    """Id -> text of the tokens that are no text: special ones, marks of thinking, and marks that the chat template
    writes. A plain word is none, though some tokenizers add words as tokens of their own."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    template = template_text(tokenizer)

    def controls(text: str) -> bool:
        known = text in template or _PIPED.fullmatch(text.strip()) or THINKING.fullmatch(text.strip())
        return bool(_MARK.fullmatch(text) and known)

    return {index: token.content for index, token in added.items() if token.special or controls(token.content)}
