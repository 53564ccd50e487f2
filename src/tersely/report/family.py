"""Put runs in order: which belong together as seeds of one setting, what each is called, which base it is paired with.

A *member* is one setting (an alpha, and whatever else differs from the rest of the family) with one or more seeds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.config import TrainConfig, merge
from tersely.errors import UserError
from tersely.report.load import Run, base_of, read_run, require_tasks
from tersely.report.text import shorten_line

_NOT_A_SETTING = {
    "seed",
    "samples_seed",
    "model",
    "model_sha256",
    "revision",
    "alpha",
    "out",
    "name",
    "threads",
    "device",
    "judge_workers",
    "keep",
    "checkpoint_every",
    "engine",
    "engine_memory",
    "engine_sleep",
    "max_rows",
    "token_budget",
    "gradient_checkpointing",
    "sharding",
    "probe",
}
"""What identifies a run, or how and where it was computed: no part of the method."""


@dataclass(frozen=True, slots=True)
class Seed:
    """One trained run and the base it is compared with."""

    run: Run
    base: Run | None


@dataclass(frozen=True, slots=True)
class Member:
    """One setting of the family.

    Example: ``Member("α 0.05 (normalize group)", 0.05, "normalize group", seeds=(...))``
    """

    label: str
    alpha: float
    variant: str
    """What differs from the usual settings of the family; empty for the family itself."""
    seeds: tuple[Seed, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Everything that one report is about."""

    bases: tuple[Run, ...]
    members: tuple[Member, ...]
    tasks: tuple[str, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return (*self.bases, *(seed.run for member in self.members for seed in member.seeds))

    @property
    def line(self) -> tuple[Member, ...]:
        """The members with usual settings, by rising alpha: the ones a trend is looked for in."""
        return tuple(member for member in self.members if not member.variant)


def read_family(paths: list[Path], base: Path | None) -> Family:
    """Read all runs. With ``base`` everything is compared with it; without, each run with the one it came from."""
    read = [read_run(path) for path in dict.fromkeys(paths)]
    runs = [run for run in read if run.kind == "train"]
    known = {run.path.resolve(): run for run in read if run.kind != "train"}
    if not runs:
        raise UserError("a report needs at least one trained run: give the folders that tersely train made")
    pairs = [Seed(run, _base_for(run, base, known)) for run in runs]
    bases = tuple(dict.fromkeys(known))
    everything = [*(known[path] for path in bases), *runs]
    tasks = require_tasks(everything)
    return Family(tuple(known[path] for path in bases), _members(pairs), tuple(tasks))


def _base_for(run: Run, base: Path | None, known: dict[Path, Run]) -> Run | None:
    place = base if base is not None else base_of(run)
    if place is None:
        return next(iter(known.values())) if len(known) == 1 else None
    if place.resolve() not in known:
        known[place.resolve()] = read_run(place)
    return known[place.resolve()]


def _members(pairs: list[Seed]) -> tuple[Member, ...]:
    words = variants([pair.run for pair in pairs])
    groups: dict[tuple[str, float], list[Seed]] = {}
    for pair, variant in zip(pairs, words, strict=True):
        assert pair.run.alpha is not None
        groups.setdefault((variant, pair.run.alpha), []).append(pair)
    members = []
    for (variant, alpha), seeds in sorted(groups.items(), key=lambda item: item[0]):
        label = f"α {alpha:g}" + (f" ({variant})" if variant else "")
        ordered = sorted(seeds, key=lambda seed: (seed.run.seed is None, seed.run.seed, seed.run.name))
        _refuse_twins(label, ordered)
        members.append(Member(label, alpha, variant, tuple(ordered)))
    return tuple(members)


def variants(runs: list[Run]) -> list[str]:
    """For each run the settings in which it differs from most of the others, as words; usually empty."""
    flat = [_flatten(_with_defaults(run.config)) for run in runs]
    names = sorted({name for settings in flat for name in settings})
    words: list[list[str]] = [[] for _ in runs]
    for name in names:
        values = [settings.get(name, "unset") for settings in flat]
        usual = Counter(values).most_common(1)[0][0]
        for place, value in zip(words, values, strict=True):
            if value != usual:
                place.append(shorten_line(f"{name.rpartition('.')[2]} {value}", 60))
    return [", ".join(place) for place in words]


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A setting that an earlier version did not know was what it is now by default."""
    given = {"model": "", "task": ""}
    return merge(TrainConfig.model_validate(given).model_dump(mode="json"), config)


def _flatten(value: Any, key: str = "") -> dict[str, str]:
    if key.rpartition(".")[2] in _NOT_A_SETTING:
        return {}
    if isinstance(value, dict):
        return {name: v for k, part in value.items() for name, v in _flatten(part, f"{key}.{k}".strip(".")).items()}
    return {key: str(value)}


def _refuse_twins(label: str, seeds: list[Seed]) -> None:
    """Two runs of one setting and seed from one base are no independent evidence."""
    seen: dict[Any, Run] = {}
    for seed in seeds:
        key = (seed.run.seed, seed.run.config.get("model"))
        if key in seen:
            raise UserError(
                f"{seed.run.path} and {seen[key].path} are both {label} with seed {seed.run.seed}: give one of them"
            )
        seen[key] = seed.run
