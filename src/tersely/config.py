"""Typed configuration. A recipe is a TOML file that a person reads; the run folder keeps the resolved JSON.

The settings themselves stand in ``tersely.sections``. Every refusal says which setting, what rule, and what would do.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from tersely.errors import UserError, nearest
from tersely.run_sections import RunConfig
from tersely.section import Section
from tersely.sections import (
    AskedConfig,
    DecoderName,
    Engine,
    LearnerConfig,
    LoraConfig,
    ObjectiveConfig,
    SamplingConfig,
    TrainConfig,
)
from tersely.setting_names import meant
from tersely.toml_file import read_toml

__all__ = [
    "AskedConfig",
    "DecoderName",
    "Engine",
    "LearnerConfig",
    "LoraConfig",
    "ObjectiveConfig",
    "RunConfig",
    "SamplingConfig",
    "Section",
    "TrainConfig",
    "assemble",
    "known_keys",
    "merge",
    "read_recipe",
    "recipe_names",
    "resolve",
    "set_key",
    "validated",
]


def recipe_names() -> list[str]:
    folder = resources.files("tersely.recipes")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """A shipped recipe by name, or any TOML file by path."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UserError(
                f"recipe file {name} is not there; give a path to a TOML file or one of {', '.join(recipe_names())}"
            )
        return read_toml(path, "recipe")
    else:
        if name not in recipe_names():
            raise UserError(
                f"unknown recipe {name!r}{nearest(name, recipe_names())}; known: {', '.join(recipe_names())}"
            )
        return tomllib.loads((resources.files("tersely.recipes") / f"{name}.toml").read_text(encoding="utf-8"))


def set_key(settings: dict[str, Any], assignment: str) -> None:
    """Apply ``section.key=value``; the value is read as TOML where it can be (numbers, true), else as text."""
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {assignment!r} is not of the form key=value, for example learner.learning_rate=1e-5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except RecursionError as error:
        raise UserError(f"--set {key}=...: the value is nested too deeply") from error
    except ValueError:
        value = text
    place = settings
    *parents, last = key.strip().split(".")
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise UserError(f"--set {assignment!r}: {parent!r} is a value, not a section")
    place[last] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, section by section."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def resolve(settings: Mapping[str, Any]) -> TrainConfig:
    """Validated configuration; UserError in one sentence for the first thing that is wrong."""
    return validated(TrainConfig, settings)


def assemble(recipe: str | None, given: Mapping[str, Any], assignments: Iterable[str] = ()) -> TrainConfig:
    """Recipe, then what was given, then assignments ``section.key=value``; what stands later wins.

    UserError in one sentence for the first thing that is wrong.
    """
    settings = read_recipe(recipe) if recipe else {}
    if "task" in given and given["task"] != settings.get("task"):
        # A recipe's size is of its own task.
        settings.pop("train_size", None)
    settings = merge(settings, given)
    for assignment in assignments:
        set_key(settings, assignment)
    return resolve(settings)


Known = TypeVar("Known", bound=Section)


def validated(kind: type[Known], settings: Mapping[str, Any]) -> Known:
    """The settings as a configuration of ``kind``; UserError in one sentence for the first thing that is wrong."""
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError(_sentence(error, kind)) from error


PAIRS = {"budgets": "[100,4000]", "tuning.reward_bounds": "[-2,4]"}
"""Examples of settings that are two numbers."""


def _sentence(error: ValidationError, kind: type[Section]) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden" and isinstance(first["input"], Mapping):
        sections = list(dict.fromkeys(key.rpartition(".")[0] for key in known_keys(kind) if "." in key))
        meant_instead = nearest(path, [*sections, *known_keys(kind)], 0.7)
        return f"unknown section {path!r}{meant_instead}: the sections are {', '.join(sections)}"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {path!r}{meant(path, known_keys(kind))}"
    if first["type"] in ("tuple_type", "too_long") or path[-1:].isdigit():
        whole = path.rstrip("0123456789").rstrip(".")
        return f"setting {whole} takes two numbers in brackets, as in --set '{whole}={PAIRS.get(whole, '[0.9,0.95]')}'"
    if first["type"] == "dict_type":
        return f"setting {path} = {first['input']!r} cannot be used: it holds values by name, --set {path}.NAME=VALUE"
    if first["type"] == "missing":
        return f"setting {path!r} is missing; give it with --{path} or --set {path}=..."
    if first["type"] == "model_type":
        return f"setting {path} = {first['input']!r} cannot be used: it is a section, so set one of its keys"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    rule = first["msg"][0].lower() + first["msg"][1:]
    return f"setting {path} = {first['input']!r} cannot be used: {rule}"


def known_keys(section: type[Section] = TrainConfig, prefix: str = "") -> list[str]:
    """Full names of all settings."""
    keys = []
    for name, info in section.model_fields.items():
        # "Section | None" is a section that may be absent.
        kinds = get_args(info.annotation) or (info.annotation,)
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]
        keys += known_keys(inner[0], f"{prefix}{name}.") if inner else [f"{prefix}{name}"]
    return keys
