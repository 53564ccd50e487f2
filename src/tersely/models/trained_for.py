"""What a checkpoint of ours was trained for, kept beside its weights: evaluating under other terms needs a word."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import UserError, first_line
from tersely.records import JsonObject
from tersely.runs.checks import sign, with_room
from tersely.runs.json_file import fault, read_regular

TRAINED_FOR = "tersely.json"
"""In every checkpoint of ours."""

FIELDS: Mapping[str, type] = {
    "method": str,
    "template": str,
    "max_new_tokens": int,
    "objective": dict,
    "base": str,
    "verifier": str,
    "tune": dict,
    "efforts": dict,
}
"""The file's keys, in its order, and what stands under each."""


@dataclass(frozen=True, slots=True)
class TrainedFor:
    """Every field is None in other people's models, which have no such file.

    Example: ``TrainedFor(template="boxed", max_new_tokens=32000, objective={"alpha": 0.1}, base="org/model")``
    """

    method: str | None = None
    """Of a baseline: "sft", "dpo", ... None for our own training."""
    template: str | None = None
    """Name of the prompt template."""
    max_new_tokens: int | None = None
    """The cap of a response."""
    objective: Mapping[str, Any] | None = None
    """Settings of the objective, alpha being that of the last step; None for a baseline and for a mix of models."""
    base: str | None = None
    """Folder or hub id of the model that training started from."""
    verifier: str | None = None
    """What judged in place of our answer kinds."""
    tune: Mapping[str, Any] | None = None
    """Where `tersely tune` kept it: its step and the alpha of that step, or the parts of a mix with theirs.

    Example: ``{"member": "step-000045", "step": 45, "alpha": 0.225}``
    """
    efforts: Mapping[str, str] | None = None
    """Level of effort -> the line at the end of a prompt that asks for it; their alphas stand in ``objective``."""

    def to_json(self) -> JsonObject:
        """What is known, in the file's order."""
        known = {key: value for key in FIELDS if (value := getattr(self, key)) is not None}
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in known.items()}

    @classmethod
    def from_json(cls, content: Any) -> TrainedFor:
        """ValueError for what cannot be such a file. Keys of later versions are passed over."""
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        known = {key: content[key] for key in FIELDS if content.get(key) is not None}
        for key, value in known.items():
            if not isinstance(value, FIELDS[key]) or (isinstance(value, int) and value < 1) or value is True:
                raise ValueError(f"{key} is {value!r}")
        if not all(isinstance(line, str) for line in known.get("efforts", {}).values()):
            raise ValueError(f"efforts is {known['efforts']!r}")
        return cls(**known)


def write_trained_for(folder: Path, facts: TrainedFor) -> None:
    text, _ = sign(json.dumps(with_room(facts.to_json()), indent=1))
    (folder / TRAINED_FOR).write_text(text, encoding="utf-8")


def read_trained_for(folder: Path) -> TrainedFor:
    """What the checkpoint was trained for. UserError where the file is damaged."""
    path = folder / TRAINED_FOR
    if not os.path.lexists(path):
        return TrainedFor()
    try:
        text = read_regular(path)
        if why := fault(path, text):
            raise ValueError(why)
        return TrainedFor.from_json(json.loads(text))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({first_line(error)}): use another checkpoint, or another copy of this model"
        ) from error


def further_notes(folder: Path, template: str, levels: Collection[str]) -> tuple[str | None, ...]:
    """What to know before a model is trained further otherwise than it was trained."""
    return template_note(folder, template), efforts_note(folder, levels)


def efforts_note(folder: Path, levels: Collection[str]) -> str | None:
    """What to know before a model that is asked for a level of effort is trained further without these levels."""
    missing = [level for level in read_trained_for(folder).efforts or {} if level not in levels]
    if not missing:
        return None
    return (
        f"the model was trained for levels of effort, and no prompt asks for {', '.join(missing)} here: give "
        "objective.levels to go on as it was"
    )


def template_note(folder: Path, template: str) -> str | None:
    """What to know before a model is trained further under another template than it was trained with."""
    trained = read_trained_for(folder).template
    if trained is None or trained == template:
        return None
    return (
        f"the model was trained with the template {trained!r} and is asked with {template!r} here: "
        f"--template {shlex.quote(trained)} goes on as it was"
    )
