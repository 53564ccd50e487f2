"""What the model's own chat template writes, and which tokens it controls the model with.

A template is a program of the model's makers: it may fail, print today's date, or leave out what it is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import TemplateError

from tersely.display import speaks
from tersely.errors import UserError, first_line
from tersely.terminal import say
from tersely.verify.visible import THINKING

FROZEN = datetime(2024, 7, 26)
"""The date that templates are told, so that a prompt is the same on every day: the one that the templates of Llama 3.1
write themselves where they are told none."""
CLOCK = "strftime_now"
"""The only clock that transformers gives a template."""

_CODES = "aAbBdHIjmMpSUwWyYcxXZzFDTRefGuV"
"""Of ``strftime``."""

_MARK = re.compile(r"\s*[<\[◁]\S+[>\]▷]\s*")


def chat_text(tokenizer: Any, turns: Sequence[dict[str, str]], *, ask: bool) -> str:
    """The turns as text; with ``ask`` the model's turn is begun. UserError where the template fails."""
    frozen: dict[str, str] = {}
    if CLOCK in template_text(tokenizer):
        frozen = {"chat_template": _frozen_clock() + tokenizer.get_chat_template()}
        _note_frozen()
    try:
        text = tokenizer.apply_chat_template(list(turns), add_generation_prompt=ask, tokenize=False, **frozen)
    # The template's own expressions fail like any Python.
    except (TemplateError, TypeError, ValueError, AttributeError, KeyError, ImportError) as error:
        raise UserError(
            f"the model's chat template fails ({first_line(error)}): mend chat_template in the model folder, or use "
            "--template plain"
        ) from error
    return str(text)


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
        return bool(_MARK.fullmatch(text)) and (text in template or bool(THINKING.fullmatch(text.strip())))

    return {index: token.content for index, token in added.items() if token.special or controls(token.content)}
