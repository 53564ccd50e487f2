"""Prompt templates: ours by name, or a user's own text. Recorded with every checkpoint that was trained under one.

An own template is text with places: ``{question}``, and ``{column}`` for a further column of the task (text as it is,
any other JSON value as JSON). It becomes the user's turn of the model's chat template. A place is a plain name in
braces and nothing else: no attribute, index or format is looked at, what is filled in is never looked at again, and
all other braces stand for themselves (``\\boxed{}``). ``{{name}}`` writes ``{name}``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError, nearest
from tersely.frozen import thaw
from tersely.records import Problem
from tersely.tasks.chat import chat_text, control_tokens

PromptIds = Mapping[str, tuple[int, ...]]
"""Problem id -> prompt token ids as fed to the model."""

INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."
QUESTION = "question"

Asking = str | Callable[[Problem], str]
"""A sentence for every prompt, or one for each."""

_RAISED = ("<super>", "<sub>", "<fraction>")
_PLACE = re.compile(r"\{\{([^\W\d]\w*)\}\}|\{([^\W\d]\w*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """How a problem becomes a prompt. Example: ``Template("{question}\\nIts name: {entry_point}")``."""

    text: str
    around: tuple[str, str] | None = None
    """What stands before and after the filled text where no chat template is used; None: the user's turn of one."""
    special: bool = True
    """Whether the tokenizer adds its own special tokens; a chat template brings its own."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The further columns that are filled in, in order."""
        return tuple(dict.fromkeys(name for name in _places(self.text) if name != QUESTION))

    @property
    def asks(self) -> bool:
        """Whether the question itself is filled in."""
        return QUESTION in _places(self.text)


_ASKED = f"{INSTRUCTION} Question: {{question}}"

TEMPLATES: Mapping[str, Template] = {
    # the question alone as the user's turn of the model's chat template
    "question": Template("{question}"),
    # the paper's instruction and the question, likewise
    "boxed": Template(_ASKED),
    # the paper's raw training string for the DeepSeek-R1 distilled models, without the chat template
    "paper-raw": Template(_ASKED, ("<｜begin▁of▁sentence｜><｜User｜>", "<｜Assistant｜>"), special=False),
    # instruction and question as plain text, for models without a chat template
    "plain": Template(_ASKED, ("", "\nAnswer:")),
}


def _places(text: str) -> list[str]:
    return [match[2] for match in _PLACE.finditer(text) if match[2]]


def find_template(template: str) -> Template:
    """One of ours by name, or a user's own text; UserError for an unknown name and a text that asks nothing."""
    if template in TEMPLATES:
        return TEMPLATES[template]
    own = Template(_readable(template, "the template"))
    if own.asks or own.columns:
        return own
    if re.fullmatch(r"[\w.-]*", template):
        known = ", ".join(TEMPLATES)
        raise UserError(
            f"unknown template {template!r}{nearest(template, TEMPLATES)}; choose one of {known}, or give a text "
            "with {question} in it"
        )
    raise UserError(
        f"the template {template[:60]!r} has no place for the problem, so every prompt would be the same: put "
        "{question}, or a column of the task such as {signature}, into it"
    )


def fill(template: Template, problem: Problem) -> str:
    """The template's text with everything the problem says; UserError for a column that the problem lacks."""

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return f"{{{match[1]}}}"
        return problem.question if match[2] == QUESTION else column_text(problem.payload, match[2])

    try:
        return _PLACE.sub(put, template.text)
    except UserError as error:
        raise UserError(f"{_shown(problem)}: {error}") from error


def column_text(columns: Mapping[str, Any], name: str) -> str:
    """A column as it stands in a prompt; UserError where it is missing, null or text that no tokenizer takes."""
    value = columns.get(name)
    if value is None:
        what = f"column {name!r} is null" if name in columns else f"no column {name!r}{nearest(name, columns)}"
        raise UserError(f"{what}, which the template fills in ({{{{{name}}}}} would write the braces themselves)")
    text = value if isinstance(value, str) else json.dumps(thaw(value), ensure_ascii=False)
    return _readable(text, f"column {name!r}")


def _readable(text: str, what: str) -> str:
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise UserError(f"{what} holds a NUL or half a surrogate pair, which no tokenizer takes")
    return text


def render(problem: Problem, tokenizer: Any, template: str, instruction: str | None = None) -> tuple[int, ...]:
    """Prompt token ids; ``instruction`` is a sentence at the end of the user's message.

    UserError for an unknown template, a column that the problem lacks, a tokenizer without the chat template needed or
    with one that fails or leaves the question out, and a question that holds a control token of the model.
    """
    return Renderer(tokenizer, template, instruction)(problem)


def render_all(
    problems: Iterable[Problem], tokenizer: Any, template: str, instruction: Asking | None = None
) -> dict[str, tuple[int, ...]]:
    """Prompt ids by problem id; ``instruction`` ends the user's message, one for all or one for each problem.

    UserError as ``render``, and where two different questions become the same ids.
    """
    renderer = Renderer(tokenizer, template, instruction)
    prompts: dict[str, tuple[int, ...]] = {}
    first: dict[tuple[int, ...], Problem] = {}
    for problem in problems:
        prompts[problem.id] = renderer(problem)
        other = first.setdefault(prompts[problem.id], problem)
        if other is not problem and renderer.asked(other) != renderer.asked(problem):
            raise UserError(
                f"{_shown(other)} and {_shown(problem)} differ, but their prompts have the same token ids, because the "
                "model's tokenizer drops what they differ in: take a tokenizer that reads it, or leave one of them out"
            )
    return prompts


class Renderer:
    """From problems to prompt ids, for one tokenizer and template."""

    def __init__(self, tokenizer: Any, template: str, instruction: Asking | None = None) -> None:
        self.template = find_template(template)
        self._tokenizer, self._name, self._instruction = tokenizer, template, instruction
        marks = sorted(filter(None, control_tokens(tokenizer).values()), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, marks))) if marks else None
        if self.template.around is None and not getattr(tokenizer, "chat_template", None):
            raise UserError(
                f"the tokenizer has no chat template, which the template {template[:60]!r} needs: use --template "
                "plain, or add a chat_template to the model folder"
            )

    def __call__(self, problem: Problem) -> tuple[int, ...]:
        text = self.text(problem)
        if self.template.around is not None:
            return self._plain_ids(text)
        return self._one_start(_integers(self._tokenizer.encode(text, add_special_tokens=False)))

    def text(self, problem: Problem) -> str:
        """The whole prompt as text, without what the tokenizer puts before it."""
        self._require_text(problem)
        content = fill(self.template, problem)
        said = self._instruction(problem) if callable(self._instruction) else self._instruction
        content = content if said is None else f"{content}\n{said}"
        if self.template.around is not None:
            before, after = self.template.around
            return f"{before}{content}{after}"
        text = chat_text(self._tokenizer, [{"role": "user", "content": content}], ask=True)
        if content.strip() not in text:
            raise UserError(
                f"{_shown(problem)}: the model's chat template leaves the question out or changes it (it may expect "
                "the content as a list of parts): mend chat_template in the model folder, or use --template plain"
            )
        return text

    def asked(self, problem: Problem) -> str:
        """What the problem says, but for blanks and equivalent characters, which a tokenizer may leave out."""
        return " ".join(_equivalent(fill(self.template, problem)).split())

    def _plain_ids(self, text: str) -> tuple[int, ...]:
        """Ids with what the tokenizer puts before a text, without what it puts behind: nothing has ended here."""
        bare = _integers(self._tokenizer.encode(text, add_special_tokens=False))
        if not self.template.special:
            return bare
        ids = _integers(self._tokenizer.encode(text, add_special_tokens=True))
        start = next((i for i in range(len(ids)) if ids[i : i + len(bare)] == bare), None)
        return self._one_start(ids if start is None else ids[: start + len(bare)])

    def _one_start(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The ids with one begin-of-text token at most, where template and tokenizer both wrote it."""
        start = getattr(self._tokenizer, "bos_token_id", None)
        while start is not None and ids[:2] == (start, start):
            ids = ids[1:]
        return ids

    def _require_text(self, problem: Problem) -> None:
        """UserError where the problem's own words would be read as control tokens."""
        columns = [column_text(problem.payload, c) for c in self.template.columns if c in problem.payload]
        for text in (problem.question, *columns):
            if self._control is not None and (found := self._control.search(text)):
                raise UserError(
                    f"{_shown(problem)} holds {found.group()!r}, which the model reads as a control token instead of "
                    "text: write it otherwise, or leave the problem out"
                )


def _equivalent(text: str) -> str:
    """The text with one spelling for equivalent characters; 3² stays apart from 32, as NFKC does not keep it."""
    kept = (c if unicodedata.decomposition(c).startswith(_RAISED) else unicodedata.normalize("NFKC", c) for c in text)
    return unicodedata.normalize("NFC", "".join(kept))


def _shown(problem: Problem) -> str:
    return f"problem {problem.id} ({problem.question[:40]!r})"


def _integers(ids: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(i) for i in ids)
