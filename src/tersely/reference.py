"""The settings as a person reads them: name, default, what is taken, and what it means, all from the configuration."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from tersely.errors import UserError, nearest
from tersely.section import Section
from tersely.setting_names import SHORT_NAMES

_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_BOUNDS = ((Ge, "ge", ">="), (Gt, "gt", ">"), (Le, "le", "<="), (Lt, "lt", "<"))


@dataclass(frozen=True, slots=True)
class Setting:
    """Example: ``Setting("learner.kl_in", "reward", "reward | loss", "Where the KL term stands: ...")``."""

    name: str
    """As ``--set`` takes it."""
    default: str | None
    """As text, "none" where nothing is said; None: it must be given."""
    values: str
    """What is taken: every choice by name, or the kind of value with its bounds."""
    meaning: str

    @property
    def section(self) -> str:
        return self.name.rpartition(".")[0]


def settings_of(section: type[Section], prefix: str = "") -> Iterator[Setting]:
    """Every setting of a section and of those within it, in the order of the configuration."""
    for name, info in section.model_fields.items():
        inner = [kind for kind in _parts(info.annotation) if isinstance(kind, type) and issubclass(kind, Section)]
        if inner:
            yield from settings_of(inner[0], f"{prefix}{name}.")
        else:
            yield Setting(f"{prefix}{name}", _default(info), _values(info), " ".join((info.description or "").split()))


def matching(settings: Sequence[Setting], pattern: str) -> list[Setting]:
    """Those whose name or meaning holds ``pattern``, in either case; what other trainers call a setting finds it too.

    UserError with the nearest name where there is none.
    """
    word = pattern.lower()
    named = [s for s in settings if word in s.name or s.name == SHORT_NAMES.get(word)]
    found = named or [s for s in settings if word in s.meaning.lower()]
    if not found:
        names = [s.name if "." in word else s.name.rpartition(".")[2] for s in settings]
        raise UserError(f"no setting is called like {pattern!r}{nearest(word, names)}: `tersely settings` lists all")
    return found


def as_text(settings: Sequence[Setting], width: int = 100) -> str:
    """A block each: name, default and values, and below them what it means."""
    return "\n".join(_block(setting, width) for setting in settings)


def _block(setting: Setting, width: int) -> str:
    value = "(must be given)" if setting.default is None else f"= {setting.default}"
    meaning = textwrap.fill(setting.meaning, width, initial_indent="    ", subsequent_indent="    ")
    return f"{setting.name} {value}  ({setting.values})\n{meaning}"


def as_markdown(settings: Sequence[Setting]) -> str:
    """A table a section, in Markdown."""
    sections = dict.fromkeys(setting.section for setting in settings)
    return "\n".join(_table(name, [s for s in settings if s.section == name]) for name in sections)


def _table(section: str, settings: Sequence[Setting]) -> str:
    rows = [f"## {section or 'what is trained'}\n", "| setting | default | takes | meaning |", "|---|---|---|---|"]
    for s in settings:
        default = "must be given" if s.default is None else f"`{s.default}`"
        cells = (f"`{s.name}`", default, s.values, s.meaning)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _default(info: FieldInfo) -> str | None:
    return None if info.is_required() else _shown(info.default)


def _shown(value: Any) -> str:
    """As TOML writes it, and "none" for what is absent."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, float):
        return re.sub(r"e-0*", "e-", f"{value:g}") if value != int(value) else f"{value:.1f}"
    return str(value)


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the one kind there is; bounds of ``Annotated`` are left out."""
    is_one = isinstance(annotation, type) or get_origin(annotation) in (Literal, tuple, dict)
    return (annotation,) if is_one else get_args(annotation)


def _values(info: FieldInfo) -> str:
    kinds = [kind for kind in _parts(info.annotation) if kind is not NoneType]
    kind, bounds = kinds[0], list(info.metadata)
    if get_args(kind) and hasattr(kind, "__metadata__"):  # an Annotated inside a union keeps its own bounds
        bounds, kind = _spread(kind.__metadata__), get_args(kind)[0]
    words = _kind(kind)
    limits = [f"{sign} {_plain(getattr(b, name))}" for b in bounds for cls, name, sign in _BOUNDS if isinstance(b, cls)]
    return f"{words} {' and '.join(limits)}" if limits else words


def _spread(metadata: Sequence[Any]) -> list[Any]:
    return [bound for part in metadata for bound in (part.metadata if isinstance(part, FieldInfo) else [part])]


def _plain(value: float) -> str:
    return f"{value:g}"


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return f"[{', '.join(_kind(part) for part in get_args(kind))}]"
    if get_origin(kind) is dict:
        return "by key"
    return _KINDS[kind]
