"""Paths of this machine, which stay here: what is published names files and folders by their last part alone."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

_PATH = re.compile(
    r"(?<![\w:/.<])(?:file://)?(?:~|/[\w.@+-]+)(?:/[\w.@+-]+)+/?|(?<![\w/])(?:\.\./)+[\w.@+/-]*|\b[A-Za-z]:\\[^\s'\"]+"
)
"""A path within a sentence: absolute with two parts or more, of a home, out of this folder, or of Windows."""


def public(text: str) -> str:
    """The text with every such path cut to its last part. Example: ``public("/home/me/base")`` is ``base``."""
    return _last(text) if _is_path(text) else _PATH.sub(lambda found: _last(found[0]), text)


def public_command(command: str) -> str:
    """A command line, word for word, so that a path with blanks is one."""
    try:
        words = shlex.split(command)
    except ValueError:
        return public(command)
    return shlex.join(_public_word(word) for word in words)


def public_json(value: Any) -> Any:
    """JSON with every path in it cut, whatever its depth; keys too."""
    if isinstance(value, dict):
        return {public(key): public_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [public_json(item) for item in value]
    # What has line breaks is a text, such as a chat template, and no name of a file.
    return public(value) if isinstance(value, str) and "\n" not in value and _is_path(value) else value


def _public_word(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{name}={public(value)}" if equals else public(word)


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~/", "../", "\\\\")) or re.match(r"[A-Za-z]:[\\/]", text) is not None


def _last(path: str) -> str:
    windows = "\\" in path
    name = (PureWindowsPath(path) if windows else PurePosixPath(path)).name
    return name if name not in ("..", "~") else ""
