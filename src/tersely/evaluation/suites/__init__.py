"""Suites: several data sets evaluated under one protocol, read from TOML (``tersely/suites``, or anyone's file)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from tersely.config import Section
from tersely.errors import UserError, nearest
from tersely.evaluation.protocol import EvalProtocol
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.tasks.sources.hub import parse_name
from tersely.toml_file import read_toml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class SetConfig(Section):
    """One data set of a suite."""

    task: str
    """Named task, ``arithmetic``, or a JSONL file."""
    k: Annotated[int, Field(ge=1)]
    size: Annotated[int, Field(ge=1)] | None = None


class ProtocolConfig(Section):
    """How every set of a suite is sampled."""

    temperature: Annotated[float, Field(ge=0.0)]
    top_p: Annotated[float, Field(gt=0.0, le=1.0)]
    max_new_tokens: Annotated[int, Field(ge=1)]


class SuiteConfig(Section):
    """A suite's file."""

    about: str = ""
    protocol: ProtocolConfig
    sets: Annotated[dict[str, SetConfig], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class SuiteSet:
    """A data set of a suite with where its problems come from (``load_task``'s name)."""

    source: str
    protocol: EvalProtocol


def suite_names() -> list[str]:
    folder = resources.files("tersely.evaluation.suites")
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def read_suite(name: str) -> tuple[str, SuiteConfig]:
    """(the suite's own name, its content) of a shipped suite, or of any TOML file by path."""
    known = suite_names()
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"no suite file {name}: give the path of a TOML file, or one of {', '.join(known)}")
        content, short = read_toml(path, "suite"), path.stem
    elif name in known:
        shipped = resources.files("tersely.evaluation.suites") / f"{name}.toml"
        content, short = tomllib.loads(shipped.read_text(encoding="utf-8")), name
    else:
        raise UserError(
            f"unknown suite {name!r}{nearest(name, known)}: known are {', '.join(known)}, or give a TOML file"
        )
    try:
        config = SuiteConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"suite {name}: {place or 'the file'} cannot be used: {first['msg'].lower()}") from error
    for odd in (part for part in (short, *config.sets) if not _NAME.fullmatch(part)):
        raise UserError(f"suite {name}: {odd!r} is no name for a suite or set: letters, digits, - and _ only")
    return short, config


def suite_sets(
    name: str,
    data: Sequence[str] = (),
    data_dir: Path | None = None,
    only: str | None = None,
    *,
    seed: int = 0,
    template: str | None = None,
    instruction: str | None = None,
) -> list[SuiteSet]:
    """The sets of a suite, each with its protocol and where its problems come from.

    ``data`` are NAME=FILE (or NAME=TASK@COMMIT) and beat ``data_dir``, which holds NAME.jsonl for every set; else the
    suite's own task counts, from the hub. ``only`` is a comma-separated choice of sets. Everything that can be found
    wrong before a model is loaded is a UserError here.
    """
    short, suite = read_suite(name)
    chosen = _chosen(short, suite, only)
    sources = _sources(short, chosen, _assigned(short, suite, data), data_dir)
    rules = suite.protocol
    return [
        SuiteSet(
            sources[label],
            EvalProtocol(
                task=label,
                size=one.size,
                k=one.k,
                max_new_tokens=rules.max_new_tokens,
                temperature=rules.temperature,
                top_p=rules.top_p,
                seed=seed,
                template=template,
                instruction=instruction,
                suite=short,
            ),
        )
        for label, one in chosen.items()
    ]


def _chosen(short: str, suite: SuiteConfig, only: str | None) -> dict[str, SetConfig]:
    if only is None:
        return suite.sets
    names = [part.strip() for part in only.split(",")]
    for name in names:
        _require_set(short, suite, name)
    return {name: suite.sets[name] for name in suite.sets if name in names}


def _assigned(short: str, suite: SuiteConfig, data: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in data:
        name, equals, source = text.partition("=")
        if not equals or not source:
            raise UserError(f"--data {text!r} is not of the form NAME=FILE.jsonl, for example gsm8k=gsm8k_test.jsonl")
        _require_set(short, suite, name)
        found[name] = source
    return found


def _require_set(short: str, suite: SuiteConfig, name: str) -> None:
    if name not in suite.sets:
        raise UserError(
            f"suite {short} has no set {name!r}{nearest(name, suite.sets)}: its sets are {', '.join(suite.sets)}"
        )


def _sources(
    short: str, chosen: Mapping[str, SetConfig], assigned: Mapping[str, str], folder: Path | None
) -> dict[str, str]:
    """Set -> what to load; UserError for files that are not there and tasks that cannot be had."""
    found = {}
    for name, one in chosen.items():
        beside = str(folder / f"{name}.jsonl") if folder is not None and one.task not in EMBEDDED_TASKS else one.task
        found[name] = assigned.get(name, beside)
    missing = [source for source in found.values() if source.endswith(".jsonl") and not Path(source).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of the {len(found)} sets of suite {short} have no file ({', '.join(missing)}): put them "
            "there, name them with --data NAME=FILE.jsonl, or choose others with --sets"
        )
    for name, source in found.items():
        named = parse_name(source)
        if named is not None and named.revision is None:
            raise UserError(
                f"no revision of {named.task.repository} is pinned here for the set {name}: give --data "
                f"{name}=FILE.jsonl, or --data {name}={named.name}@COMMIT, or choose other sets with --sets"
            )
    return found
