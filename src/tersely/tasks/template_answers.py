"""What a worker answers with that only sees whether a chat template ends. Loaded by ``verify.workers.worker``; imports
nothing of tersely, and of transformers neither: it renders as transformers does, in a twentieth of the time.

A request is ``{"template", "contents"}``. What the template raises is an end like any other: the rendering
that counts will say it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_GENERATION = re.compile(r"\{%[-+]?\s*(?:end)?generation\s*[-+]?%\}")
"""Tags of transformers' own, which mark what the model says and render as nothing."""
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
"""Whichever they are: no template ends by their spelling."""


def _raise(message: str) -> None:
    raise ValueError(message)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """CORRECT once the rendering has ended."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **_: json.dumps(value)
    environment.globals |= {"raise_exception": _raise, "strftime_now": lambda form: form}
    try:
        template = environment.from_string(_GENERATION.sub("", request["template"]))
        for content in request["contents"]:
            messages = [{"role": "user", "content": content}]
            template.render(messages=messages, add_generation_prompt=True, **TOKENS)
    except MemoryError:
        raise
    except Exception as error:  # the boundary to a stranger's program
        return {"status": "CORRECT", "reason": f"it ends by {type(error).__name__}"}
    return {"status": "CORRECT", "reason": "it ends"}


def start() -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Import once and give ``answer``."""
    answer({"template": "", "contents": [""]})
    return answer
