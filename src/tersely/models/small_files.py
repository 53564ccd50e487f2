"""The small files of a model folder, looked at before any library reads them.

A folder comes from anywhere: a file may be torn, of another encoding, nested without end, or a pipe that nobody writes
to. Libraries answer with tracebacks, or wait for ever; here each is one sentence.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path

from tersely.errors import UserError
from tersely.records import Json
from tersely.runs.json_file import parse_object, read_regular

OBJECTS = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "*processor_config.json",
    "adapter_config.json",
    "*.index.json",
)
"""Files that hold one JSON object. (tokenizer.json, of many megabytes, is parsed once, by its library.)"""
TEXTS = ("*.jinja", "additional_chat_templates/*.jinja", "merges.txt", "vocab.txt")
OTHERS = ("*.safetensors", "*.json", "*.model", "*.tiktoken")
"""Files that must be files."""
CURE = "download or save the model again"


def read_object(path: Path) -> Json:
    """The JSON object in a small file of a model; UserError in one sentence where there is none."""
    return parse_object(_read(path), lambda why: UserError(f"{path} is damaged ({why}): {CURE}"))


def require_readable(folder: Path) -> None:
    """UserError for the first file that a library would stumble over, by name."""
    for name in _names(folder):
        path = folder / name
        if _is_one(name, OBJECTS):
            read_object(path)
        elif _is_one(name, TEXTS):
            _require_text(path)
        elif _is_one(name, OTHERS) and not path.is_file():
            raise UserError(f"{path} is no regular file, or a link to nothing: {CURE}")


def _names(folder: Path) -> list[str]:
    try:
        inner = folder / "additional_chat_templates"
        nested = [f"{inner.name}/{name}" for name in os.listdir(inner)] if inner.is_dir() else []
        return sorted([*os.listdir(folder), *nested])
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}): name another model folder") from error


def _is_one(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)


def _require_text(path: Path) -> None:
    try:
        _read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged (not UTF-8, byte {error.start}): {CURE}") from error


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        raise UserError(f"{path} is damaged ({error.strerror or error}): {CURE}") from error
